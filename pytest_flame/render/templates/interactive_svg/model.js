// The tree, what its numbers say in words, and what a search finds in it. Mirrors units.py, text.py and picture.py.

const data = JSON.parse(document.getElementById("data").textContent);
const count = data.frame.length;
const nothing = new Array(count).fill(0);
const head = data.head, headSelf = data.headSelf;
const base = data.differential ? data.base : nothing, baseSelf = data.differential ? data.baseSelf : nothing;
const weights = {max: data.differential ? data.widest : head, base, head};
const parent = new Int32Array(count), end = new Int32Array(count);
{
  const open = [];
  for (let i = 0; i <= count; i++) {
    const depth = i < count ? data.depth[i] : 0;
    while (open.length > depth) end[open.pop()] = i;
    if (i < count) {
      parent[i] = depth ? open[depth - 1] : -1;
      open.push(i);
    }
  }
}

const name = i => data.names[data.frame[i]];
const known = i => data.known[data.frame[i]] || {};
const isReal = i => data.tested ? Boolean(known(i).real) : true;

/** Culprits where they grew; a recursive one at its outermost call. */
const culprit = new Array(count).fill(false);
for (let i = 0, ends = new Map(); i < count; i++) {
  if (known(i).culprit && head[i] > base[i] && i >= (ends.get(data.frame[i]) || 0)) {
    culprit[i] = true;
    ends.set(data.frame[i], end[i]);
  }
}

/** The nodes from the root to this one. */
function path(i) {
  const found = [];
  for (; i >= 0; i = parent[i]) found.unshift(i);
  return found;
}

/** Roots, or a node's children. */
function* children(i) {
  for (let child = i + 1, last = i < 0 ? count : end[i]; child < last; child = end[child]) yield child;
}

/** The node whose names lead there from the root; the nearest one that exists. */
function follow(names) {
  let at = -1;
  for (const wanted of names) {
    const next = [...children(at)].find(i => name(i) === wanted);
    if (next === undefined) break;
    at = next;
  }
  return at;
}

function total(weight, at = -1) {
  if (at >= 0) return weight[at];
  let sum = 0;
  for (const i of children(-1)) sum += weight[i];
  return sum;
}

// --- numbers

const MINUS = "−";
const UNITS = data.amount.noun
  ? [[data.amount.per, data.amount.noun + "s"]]
  : [[1e12, "s"], [1e9, "ms"], [1e6, "µs"], [1e3, "ns"], [1, "ps"]];

function unitOf(value) {
  value *= data.step;
  if (data.amount.noun) return [UNITS[0][0], Math.abs(value) === UNITS[0][0] ? data.amount.noun : UNITS[0][1]];
  if (!value) return [1e3, "ns"];
  const rounded = Math.abs(Number(value.toPrecision(4)));
  return UNITS.find(([scale]) => rounded >= scale) || UNITS[UNITS.length - 1];
}

function decimalsOf(value, scale) {
  const size = Math.abs(value * data.step);
  if (scale === 1 || !size || (data.amount.noun && size >= scale)) return 0;
  return size / scale < 99.995 ? 2 : 1;
}

function number(value, decimals) {
  const digits = Math.abs(value).toFixed(decimals);
  const text = data.amount.noun
    ? Number(digits).toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals})
    : digits;
  return value < 0 && Number(digits) ? MINUS + text : text;
}

function duration(value) {
  const [scale, unit] = unitOf(value);
  return `${number(value * data.step / scale, decimalsOf(value, scale))} ${unit}`;
}

const signed = value => (value > 0 ? "+" : "") + duration(value);

function change(before, after) {
  const larger = Math.max(before, after), smaller = Math.min(before, after), [scale, unit] = unitOf(larger);
  if (smaller && smaller * data.step < scale / 10) {
    const [one, other] = [duration(before), duration(after)];
    const [digits, its] = one.split(" ");
    return other.endsWith(` ${its}`) ? `${digits} → ${other}` : `${one} → ${other}`;
  }
  const decimals = decimalsOf(larger, scale);
  const [one, other] = [before, after].map(value => number(value * data.step / scale, decimals));
  return `${one} → ${other} ${unit}`;
}

function percent(share, plus = "") {
  const decimals = Math.abs(share) < 0.9995 ? 1 : 0;
  const digits = Math.abs(share * 100).toFixed(decimals);
  const sign = Number(digits) ? (share < 0 ? MINUS : plus) : "";
  return `${sign}${digits} %`;
}

/** Round amounts from 0 to ``most`` steps for a ruler: [value, text]. */
function ticks(whole, most = 8) {
  if (!(whole > 0)) return [];
  const [scale, unit] = unitOf(whole), least = whole * data.step / scale / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const size = [1, 2, 5, 10].map(factor => factor * power).find(one => one >= least * (1 - 1e-9));
  const found = [];
  for (let i = 0; i * size <= whole * data.step / scale * (1 + 1e-9); i++) {
    const text = Number((i * size).toPrecision(6)).toLocaleString("en-US", {useGrouping: Boolean(data.amount.noun)});
    found.push([i * size * scale / data.step, i ? `${text} ${unit}` : "0"]);
  }
  return found;
}

// --- words

/** Nested calls a box stands for. */
const callsOf = i => data.calls[i] || 1;

/** Name and figures of a box, line by line. */
function describe(i) {
  const nested = callsOf(i) > 1 ? [`the first of ${callsOf(i).toLocaleString("en-US")} nested calls`] : [];
  return [...figures(i), ...nested];
}

function figures(i) {
  const lines = [name(i)];
  if (!data.differential) {
    const own = headSelf[i] ? `, self ${duration(headSelf[i])}` : "";
    lines.push(`${duration(head[i])}, ${percent(data.whole ? head[i] / data.whole : 0)} of ${data.wholeName}${own}`);
    return lines;
  }
  const delta = head[i] - base[i];
  const share = data.whole > 0 ? ` (${percent(delta / data.whole, "+")} of ${data.wholeName})` : "";
  lines.push(`${change(base[i], head[i])}, ${signed(delta)}${share}`);
  if (baseSelf[i] || headSelf[i]) lines.push(`self ${change(baseSelf[i], headSelf[i])}`);
  if (known(i).facts) lines.push(...known(i).facts);
  return lines;
}

function markOf(i) {
  if (known(i).moved) return "MOVED";
  if (!head[i]) return "GONE";
  if (!base[i]) return "NEW";
  return head[i] > base[i] ? "+" : head[i] < base[i] ? MINUS : "";
}

const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NARROW = /\p{M}/u;
const cell = character => NARROW.test(character) ? 0 : WIDE.test(character) ? 2 : 1;

const ASCII = /^[\x20-\x7e]*$/;

/** Columns the text takes in a monospaced font. */
function cells(text) {
  if (ASCII.test(text)) return text.length;
  let sum = 0;
  for (const character of text) sum += cell(character);
  return sum;
}

/** A name in at most so many columns; its tail distinguishes it. */
function fit(i, room) {
  const whole = name(i);
  if (cells(whole) <= room) return whole;
  const tail = whole.slice(data.tail[data.frame[i]]), parts = tail.split(".");
  for (let start = 0; start < parts.length; start++) {
    const shown = "…" + parts.slice(start).join(".");
    if (cells(shown) <= room) return shown;
  }
  if (cells(tail) <= room) return tail;
  if (room < 4) return "";
  const kept = [];
  let used = 1;
  for (const character of [...tail].reverse()) {
    used += cell(character);
    if (used > room) break;
    kept.unshift(character);
  }
  return "…" + kept.join("");
}

function label(i, face, room) {
  const spaced = (...parts) => parts.filter(Boolean).join(" ");
  const times = callsOf(i) > 1 ? `×${callsOf(i)}` : "", culprit = face.culprit ? "◆" : "";
  if (!face.mark && !culprit && !times) return room >= 3 ? fit(i, room) : "";
  const sign = face.change.startsWith(face.mark) ? "" : face.mark;
  const whole = spaced(culprit, sign, face.change, name(i), times);
  if (cells(whole) <= room) return whole;
  const mark = spaced(culprit, face.mark, times);
  const shown = fit(i, room - cells(mark) - 1);
  if (shown) return `${mark} ${shown}`;
  return cells(mark) <= room ? mark : "";
}

// --- search

/** Which frames match; case counts where the expression has capitals. Throws SyntaxError. */
function matching(expression) {
  const escapes = expression.replace(/\\./g, "");
  const pattern = new RegExp(expression, escapes === escapes.toLowerCase() ? "iu" : "u");
  return data.names.map(one => pattern.test(one));
}

/** What the matches hold of all, a callee inside a match counted once. */
function matchedShare(matched, weight) {
  let sum = 0;
  for (let i = 0; i < count;) {
    if (matched[data.frame[i]]) {
      sum += weight[i];
      i = end[i];
    } else i++;
  }
  const whole = total(weight);
  return whole ? sum / whole : 0;
}
