// The picture's data as a tree, and descriptions of its boxes: the data is written by picture.py.

const data = JSON.parse(document.getElementById("data").textContent);
const amount = new Amount(data.amount);
const COLUMNS = {max: data.differential ? "widest" : "head", base: "base", head: "head"};
const tree = (() => {
  const costs = column => Float64Array.from(column, cost => cost * data.step);
  const nothing = new Float64Array(data.frame.length), head = costs(data.head), headSelf = costs(data.headSelf);
  return new Tree(data.frame, parentsOf(data.depth), data.differential
    ? {baseSelf: costs(data.baseSelf), headSelf, base: costs(data.base), head, widest: costs(data.widest)}
    : {baseSelf: nothing, headSelf, base: nothing, head, widest: head});
})();

const name = i => data.names[tree.frame[i]];
const known = i => data.known[tree.frame[i]] || {};
const isReal = i => data.tested ? Boolean(known(i).real) : true;
const culprits = new Set(data.differential ? culpritNodes(tree, frame => data.known[frame]?.culprit) : []);
const forms = new Map(); // by frame, for frames that were drawn

/** The node that these names lead to from the root; the nearest one if it does not exist. */
function follow(names) {
  let at = -1;
  for (const wanted of names) {
    const next = [...tree.children(at)].find(i => name(i) === wanted);
    if (next === undefined) break;
    at = next;
  }
  return at;
}

/** Number of nested calls that a box represents. */
const callsOf = i => data.calls[i] || 1;

/** Name and figures of a box, line by line. */
function describe(i) {
  const nested = callsOf(i) > 1 ? [`the first of ${countText(callsOf(i))} nested calls`] : [];
  return [...figures(i), ...nested];
}

function figures(i) {
  const lines = [name(i)], head = tree.head[i], base = tree.base[i], own = tree.headSelf[i];
  if (!data.differential) {
    const self = own ? `, self ${amount.of(own)}` : "";
    lines.push(`${amount.of(head)}, ${percent(data.whole ? head / data.whole : 0)} of ${data.wholeName}${self}`);
    return lines;
  }
  const of = data.whole > 0 ? ` (${signedPercent((head - base) / data.whole)} of ${data.wholeName})` : "";
  lines.push(`${amount.change(base, head)}, ${amount.signed(head - base)}${of}`);
  if (tree.baseSelf[i] || own) lines.push(`self ${amount.change(tree.baseSelf[i], own)}`);
  if (known(i).facts) lines.push(...known(i).facts);
  return lines;
}

function label(i, face, room) {
  const frame = tree.frame[i], whole = name(i);
  if (!forms.has(frame)) forms.set(frame, formsOf(whole, whole.slice(data.tail[frame])));
  return labelOf(forms.get(frame), {...face, calls: callsOf(i)}, room);
}
