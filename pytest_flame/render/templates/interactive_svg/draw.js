// Draws the boxes of the tree for the current state.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 20, GAP = 0.6, THINNEST = 0.5;
const svg = document.documentElement;
const graph = document.getElementById("graph"), footer = document.getElementById("footer");
const top_ = data.top, margin = data.margin;
const dark = matchMedia("(prefers-color-scheme: dark)");

/** What the reader has chosen to see. ``root`` is the zoomed node, -1 for the whole tree. */
const state = {view: data.view, icicle: tree.levels > 60, root: -1, search: "", found: null, focus: -1};
/** What is on the screen: the nodes in drawing order and where they are. */
let shown = [], places = new Map(), inner = 0;

function element(tag, attributes, parent_) {
  const made = document.createElementNS(SVG, tag);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (parent_) parent_.append(made);
  return made;
}

const px = value => String(Math.round(value * 10) / 10);

function faceOf(i, palette) {
  const matched = state.found && state.found.frames[tree.frame[i]] ? palette.match : "";
  if (!data.differential) return {fill: matched || palette.tones[data.tone[tree.frame[i]]], own: 0};
  if (!isReal(i)) return {fill: matched || palette.grey, own: 0};
  const change = tree.head[i] - tree.base[i];
  return {
    fill: matched || ofChange(changeShare(change, data.whole), palette, data.saturation),
    mark: markOf(tree, i, known(i).moved),
    change: change ? amount.signed(change) : "",
    gone: !tree.head[i],
    culprit: culprits.has(i),
    own: tree.headSelf[i] - tree.baseSelf[i],
  };
}

/** The cost that the full width represents. */
const wholeOf = () => state.root < 0 ? tree.totals[COLUMNS[state.view]] : tree[COLUMNS[state.view]][state.root];

/** Nodes wide enough to draw, with left edge and width in pixels; callers of the zoomed node are as wide as it is. */
function arrange() {
  const {root} = state, weight = tree[COLUMNS[state.view]], left = tree.places(COLUMNS[state.view]);
  const found = tree.line(root < 0 ? root : tree.parent[root]).map(i => [i, 0, inner, true]);
  const whole = wholeOf(), unit = whole ? inner / whole : 0, start = root < 0 ? 0 : left[root];
  for (let i = Math.max(root, 0), stop = root < 0 ? tree.size : tree.end[root]; i < stop;) {
    const width = weight[i] * unit;
    if (width >= THINNEST || (width > 0 && culprits.has(i)) || i === root) found.push([i, (left[i] - start) * unit, width, false]);
    else {
      i = tree.end[i];
      continue;
    }
    i += 1;
  }
  return found;
}

function draw() {
  while (state.root >= 0 && !tree[COLUMNS[state.view]][state.root]) state.root = tree.parent[state.root];
  const width = Math.max(data.width, innerWidth), palette = dark.matches ? data.dark : data.light;
  const {ink, paper} = palette;
  inner = width - 2 * margin;
  shown = arrange();
  places = new Map();
  const levels = shown.reduce((most, [i]) => Math.max(most, tree.depth[i] + 1), 1), bottom = levels * ROW;
  const whole = wholeOf();
  const boxes = element("g", {}), over = element("g", {"pointer-events": "none"}), outlines = element("g", {
    fill: "none", stroke: ink, "stroke-width": 2.5, "pointer-events": "none",
  });
  for (const [i, x, full, above] of shown) {
    const face = faceOf(i, palette), depth = tree.depth[i];
    const y = state.icicle ? depth * ROW : bottom - (depth + 1) * ROW;
    const broad = Math.max(full - (full > 2 ? GAP : 0), face.culprit ? 2 : 0.3);
    const box = element("rect", {x: px(x), y, width: px(broad), height: ROW - 1, fill: face.fill}, boxes);
    box.node = i;
    box.fill = face.fill;
    places.set(i, {x, y, width: broad});
    if (above) box.setAttribute("class", "above");
    if (face.gone && broad >= 1) {
      element("rect", {x: px(x), y, width: px(broad), height: ROW - 1, fill: "url(#gone)"}, over);
    }
    const own = whole && !above ? Math.min(Math.abs(face.own) / whole * inner, broad) : 0;
    if (own >= 1) {
      const fill = face.own > 0 ? palette.own_red : palette.own_blue;
      element("rect", {x: px(x + broad - own), y: y + ROW - 4, width: px(own), height: 3, fill}, over);
    }
    const text = label(i, face, Math.floor((broad - 2 * data.padding) / data.column));
    if (text) {
      const written = element("text", {x: px(x + data.padding), y: y + 13, fill: ink}, over);
      if (face.culprit) written.setAttribute("font-weight", "bold");
      written.textContent = text;
    } else if (face.mark && !face.culprit && cells(face.mark) * data.column * 0.75 + 2 <= broad) {
      element("text", {x: px(x + 1), y: y + 12, "font-size": 9, fill: ink}, over).textContent = face.mark;
    }
    if (face.culprit) {
      element("rect", {x: px(x), y, width: px(broad), height: ROW - 1}, outlines);
      if (broad < data.column + 2 * data.padding) {
        const middle = x + broad / 2;
        const points = `${px(middle - 6)},${y - 11} ${px(middle + 6)},${y - 11} ${px(middle)},${y - 1}`;
        element("polygon", {points, fill: ink, stroke: paper, "stroke-width": 1}, outlines);
      }
    }
  }
  const ring = element("rect", {id: "ring", fill: "none", "pointer-events": "none"});
  graph.replaceChildren(boxes, over, outlines, ruler(whole, bottom, palette), ring);
  const height = top_ + bottom + 28;
  footer.setAttribute("transform", `translate(${margin} ${height})`);
  captions(whole);
  // At least as tall as the window: a tooltip needs room.
  const all = Math.max(height + data.footerHeight, innerHeight - 4);
  for (const one of [svg, document.getElementById("paper")]) {
    one.setAttribute("width", width);
    one.setAttribute("height", all);
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${all}`);
  showFocus();
  drawn();
}

/** Like ``draw``, when only the search result has changed. */
function recolour() {
  const palette = dark.matches ? data.dark : data.light;
  for (const box of graph.firstChild.children) {
    const {fill} = faceOf(box.node, palette);
    if (box.fill !== fill) box.setAttribute("fill", box.fill = fill);
  }
  drawn();
}

/** Tells whoever waits for the picture that it is drawn. */
function drawn() {
  svg.dataset.drawn = Number(svg.dataset.drawn || 0) + 1;
}

/** The ruler below the graph, without labels that would overlap. */
function ruler(whole, bottom, palette) {
  const made = element("g", {transform: `translate(0 ${bottom})`, "font-size": 9, fill: palette.ink});
  let lines = `M0 .5h${px(inner)}`, free = 0;
  for (const [cost, text] of ticks(amount, whole)) {
    const x = cost / whole * inner, half = cells(text) * data.column * 0.75 / 2;
    lines += `M${px(x)} 0v4`;
    const left = Math.min(Math.max(x - half, 0), inner - 2 * half);
    if (left < free) continue;
    element("text", {x: px(left), y: 14}, made).textContent = text;
    free = left + 2 * half + 6;
  }
  element("path", {d: lines, fill: "none", stroke: palette.quiet}, made);
  return made;
}

function captions(whole) {
  const side = {max: ", the larger of base and head for every stack", base: " in base", head: " in head"}[state.view];
  const [first, ...others] = footer.querySelectorAll("text.caption");
  if (!first) return;
  first.textContent = `width: ${data.amount.axis}${data.differential ? side : ""}; the full width is ${amount.of(whole)}`;
  for (const other of others) other.remove();
  data.notes.forEach((note, k) => {
    element("text", {class: "ink caption", y: 50 + 16 * k}, footer).textContent = note;
  });
}

function showFocus() {
  const ring = document.getElementById("ring"), place = places.get(state.focus);
  ring.setAttribute("visibility", place && document.activeElement === graph ? "visible" : "hidden");
  if (!place) return;
  ring.setAttribute("x", px(place.x + 1));
  ring.setAttribute("y", place.y + 1);
  ring.setAttribute("width", px(Math.max(place.width - 2, 1)));
  ring.setAttribute("height", ROW - 3);
}
