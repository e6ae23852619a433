// What a box shows of a difference: the rules of picture.py and colour.py.
/** Nodes marked as culprits: where the culprit grew, and for a recursive one its outermost call. */
function culpritNodes(tree, isCulprit) {
  const found = [], until = new Map();
  for (let i = 0; i < tree.size; i += 1) {
    const frame = tree.frame[i];
    if (!isCulprit(frame) || tree.head[i] <= tree.base[i] || i < (until.get(frame) ?? 0)) continue;
    until.set(frame, tree.end[i]);
    found.push(i);
  }
  return found;
}

/** The sign of a real change: ``+``, ``−``, ``NEW``, ``GONE``, ``MOVED``, or nothing. */
function markOf(tree, node, moved) {
  const base = tree.base[node], head = tree.head[node];
  if (moved) return "MOVED";
  if (!head) return "GONE";
  if (!base) return "NEW";
  return head > base ? "+" : head < base ? MINUS : "";
}

/** The change as a share of the whole's cost, which decides its colour; ±1 if that cost is 0. */
function changeShare(change, whole) {
  return whole > 0 ? change / whole : Math.sign(change);
}

function mixed(from, to, part) {
  const byte = (colour, at) => parseInt(colour.slice(at, at + 2), 16);
  const channel = at => fixed(byte(from, at) + (byte(to, at) - byte(from, at)) * part, 0);
  return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
}

/** Fill for a change by this share: red grew, blue shrank; full colour at ``saturation``. */
function ofChange(part, colours, saturation) {
  if (part === 0) return colours.grey;
  const [pale, full] = part > 0 ? [colours.pale_red, colours.red] : [colours.pale_blue, colours.blue];
  return mixed(pale, full, Math.min(Math.abs(part) / saturation, 1));
}
