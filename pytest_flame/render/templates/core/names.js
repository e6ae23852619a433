// Names cut to fit a box, so that the function itself survives: the rules of names.py and of svg.py's labels.
const CULPRIT = "◆", ELLIPSIS = "…";
const LONGEST = 2000, MOST_CUTS = 32, SHORTEST_CUT = 4, FEWEST_COLUMNS = 3;
const ASCII = /^[\x00-\x7f]*$/;
const MARKS = /[\p{Mn}\p{Me}]/u;
const WIDE = /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|(?!\p{RI})\p{EPres}/u;
const CLOSERS = new Map([[")", "("], [">", "<"], ["}", "{"], ["]", "["]]);
const OPENERS = new Set(CLOSERS.values());
const SEPARATORS = new Set(["::", ".", "/", " "]);
// Brackets and slashes in an operator's name, and the arrow, neither open nor separate anything; a blank separates a
// return type from the function, but not a name from its qualifiers.
const TOKEN = /\boperator(?:<=>|<<=|>>=|->\*|<<|>>|<=|>=|->|<|>|\(\)|\[\]|\/=?| )|->|[()<>{}[\]]|::|[./]| (?![[(&]|const\b|volatile\b)/g;

const cell = character => (MARKS.test(character) ? 0 : WIDE.test(character) ? 2 : 1);

/** Columns that the text takes in a monospaced font: wide East Asian characters take two, combining marks none. */
function cells(text) {
  if (ASCII.test(text)) return text.length;
  let sum = 0;
  for (const character of text) sum += cell(character);
  return sum;
}

/** Where the parts of a qualified name start, and the outermost brackets in them. */
function partsOf(own) {
  const starts = [0], groups = [], open = [];
  let begin = 0;
  const close = (end, closed) => groups.push({ start: begin, end, opener: own[begin], isList: begin > starts[starts.length - 1], closed });
  for (const { 0: token, index } of own.matchAll(TOKEN)) {
    const opener = CLOSERS.get(token), end = index + token.length;
    if (OPENERS.has(token)) {
      if (!open.length) begin = index;
      open.push(token);
    } else if (opener) {
      // Between other brackets ``>`` compares.
      if (token === ">" ? open[open.length - 1] !== opener : !open.includes(opener)) continue;
      while (open.pop() !== opener);
      if (!open.length) close(end, true);
    } else if (SEPARATORS.has(token) && !open.length && end < own.length) starts.push(end);
  }
  if (open.length) close(own.length, false);
  return { starts, groups };
}

/** The name with ``…`` for the contents of its lists of arguments, or of template parameters. */
function elided(own, opener) {
  for (const group of partsOf(own).groups.reverse()) {
    const isList = group.isList || (opener === "<" && own.startsWith("::", group.end));
    if (group.opener !== opener || !isList || group.end - group.start <= 2) continue;
    own = own.slice(0, group.start + 1) + ELLIPSIS + own.slice(group.end - (group.closed ? 1 : 0));
  }
  return own;
}

const written = (texts, complete) => ({ texts, columns: texts.map(cells), complete });

/** Ways to write a name, each with its columns: the first ``complete`` of them leave out arguments and parameters only,
 * the others more and more of the left end; the last is the bare function. ``own`` is what follows the module. */
function formsOf(name, own) {
  const texts = [name], module = name.slice(0, name.length - own.length);
  let complete = 1;
  if (own.length > LONGEST) texts.push(own);
  else {
    const plain = elided(own, "("), short = elided(plain, "<");
    texts.push(module + plain, module + short);
    if (module) texts.push(`${ELLIPSIS}:${short}`);
    complete = texts.length;
    const { starts, groups } = partsOf(short), last = starts[starts.length - 1];
    texts.push(...starts.slice(1).slice(-MOST_CUTS).map(start => ELLIPSIS + short.slice(start)));
    const bare = short.slice(last, groups.find(group => group.start > last && group.isList)?.start);
    if (bare !== short.slice(last) && (module || last)) texts.push(ELLIPSIS + bare);
    texts.push(bare);
  }
  return written(texts, complete);
}

/** The first of the name's forms that fits ``room`` columns, otherwise the end of the bare function. */
function fit({ texts, columns }, room) {
  const at = columns.findIndex(column => column <= room);
  return at < 0 ? fitTail(texts[texts.length - 1], room) : texts[at];
}

/** Like ``fit``, but empty if the qualified name would have to be cut. */
function fitComplete({ texts, columns, complete }, room) {
  const at = columns.findIndex(column => column <= room);
  return at < 0 || at >= complete ? "" : texts[at];
}

/** The end of a text in at most ``room`` columns, for one that is longer. */
function fitTail(text, room) {
  if (room < SHORTEST_CUT) return "";
  const kept = [];
  let used = 1;
  for (const character of [...text].reverse()) {
    used += cell(character);
    if (used > room) break;
    kept.unshift(character);
  }
  return ELLIPSIS + kept.join("");
}

const spaced = (...parts) => parts.filter(Boolean).join(" ");
/** Columns that the parts and the blanks between them and a name take. */
const taken = (...parts) => parts.reduce((sum, part) => (part ? sum + cells(part) + 1 : sum), 0);

/** What stands on a box of ``room`` columns: marks, the change in figures, the name, nested calls. The figures go before
 * anything of the qualified name does, and where no name fits the marks stand alone. */
function labelOf(forms, { mark = "", change = "", culprit = false, calls = 1 }, room) {
  const times = calls > 1 ? `×${calls}` : "", blame = culprit ? CULPRIT : "", marks = spaced(blame, mark);
  if (!marks && !times) return room >= FEWEST_COLUMNS ? fit(forms, room) : "";
  const figures = spaced(blame, change.startsWith(mark) ? "" : mark, change);
  const whole = fitComplete(forms, room - taken(figures, times));
  if (whole) return spaced(figures, whole, times);
  const name = fit(forms, room - taken(marks, times));
  if (name) return spaced(marks, name, times);
  const alone = spaced(marks, times);
  return cells(alone) <= room ? alone : "";
}
