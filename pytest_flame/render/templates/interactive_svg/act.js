// What the reader does: pointing, clicking, typing, going back.

const XHTML = "http://www.w3.org/1999/xhtml";

function html(tag, attributes, text, parent_) {
  const made = document.createElementNS(XHTML, tag);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text) made.textContent = text;
  if (parent_) parent_.append(made);
  return made;
}

function button(text, title, act, parent_) {
  const made = html("button", {type: "button", title}, text, parent_);
  made.addEventListener("click", act);
  return made;
}

// --- the bar above the graph

const place = document.getElementById("toolbar");
const holder = element("foreignObject", {x: 0, y: 0, width: data.width - 2 * margin, height: data.toolbarHeight});
place.replaceChildren(holder);
const bar = html("div", {class: "bar", role: "toolbar", "aria-label": "Flame graph"}, "", holder);
const reset = button("Reset zoom", "Show everything (Esc)", () => zoom(-1), bar);
const views = {};
if (data.differential) {
  const group = html("span", {role: "group", "aria-label": "Width of the boxes"}, "", bar);
  for (const [view, text, title] of [
    ["base", "Before", "Boxes as wide as they were before"],
    ["max", "Both", "Boxes as wide as the larger of before and after"],
    ["head", "After", "Boxes as wide as they are after"],
  ]) views[view] = button(text, title, () => { state.view = view; draw(); remember(); }, group);
}
const flip = button("Icicle", "Root at the top", () => { state.icicle = !state.icicle; draw(); remember(); }, bar);
if (culprits.size) button("◆ Culprit", "Show the next culprit", () => step([...culprits], 1), bar);
const box = html("input", {
  type: "search", "aria-label": "Search frames (regular expression)", placeholder: "Search: regular expression",
  spellcheck: "false", autocomplete: "off",
}, "", bar);
const previous = button("‹", "Previous match (N)", () => step(hits(), -1), bar);
const next = button("›", "Next match (n)", () => step(hits(), 1), bar);
previous.setAttribute("aria-label", "Previous match");
next.setAttribute("aria-label", "Next match");
const said = html("output", {"aria-live": "polite"}, "", bar);

function update() {
  reset.disabled = state.root < 0;
  for (const view in views) views[view].setAttribute("aria-pressed", String(view === state.view));
  flip.setAttribute("aria-pressed", String(state.icicle));
  previous.disabled = next.disabled = !state.found || !state.found.functions;
}

// --- zoom, search, and the address that remembers both

function zoom(i) {
  state.root = i;
  draw();
  update();
  remember(true);
}

function search(expression) {
  state.search = expression;
  state.found = null;
  said.textContent = "";
  box.removeAttribute("aria-invalid");
  if (expression) {
    try {
      const found = state.found = new Search(expression, data.names);
      const shares = (data.differential ? ["base", "head"] : ["head"]).map(side => percent(found.over(tree, side).share));
      said.textContent = `matched ${shares.join(" → ")}, ${countText(found.functions)} function${found.functions === 1 ? "" : "s"}`;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      said.textContent = "not a regular expression";
      box.setAttribute("aria-invalid", "true");
    }
  }
  update();
}

const hits = () => state.found ? state.found.over(tree, COLUMNS[state.view]).nodes : [];

/** Moves the focus to the next, or previous, node of the list. */
function step(nodes, by) {
  if (!nodes.length) return;
  const after = nodes.findIndex(i => i > state.focus), before = nodes.findLastIndex(i => i < state.focus);
  const target = by > 0 ? nodes[after < 0 ? 0 : after] : nodes[before < 0 ? nodes.length - 1 : before];
  if (!tree[COLUMNS[state.view]][target]) state.view = "max";
  if (!places.has(target) || places.get(target).width < 3) zoom(tree.parent[target] < 0 ? target : tree.parent[target]);
  graph.focus({preventScroll: true});
  focus(target);
}

let remembered = location.hash;

function remember(push) {
  const parts = new URLSearchParams();
  if (state.view !== data.view) parts.append("view", state.view);
  if (state.icicle !== tree.levels > 60) parts.append("icicle", String(state.icicle));
  if (state.root >= 0) for (const i of tree.line(state.root)) parts.append("zoom", name(i));
  if (state.search) parts.append("search", state.search);
  const hash = `#${parts}`;
  update();
  if (hash === (remembered || "#")) return;
  remembered = hash;
  if (push) location.hash = hash;
  else location.replace(hash);
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  remembered = location.hash;
  const view = parts.get("view");
  state.view = data.differential && Object.hasOwn(COLUMNS, view) ? view : data.view;
  state.icicle = parts.has("icicle") ? parts.get("icicle") === "true" : tree.levels > 60;
  state.root = follow(parts.getAll("zoom"));
  box.value = parts.get("search") || "";
  search(box.value);
  draw();
}

// --- the tooltip

const layer = element("foreignObject", {width: 1, height: 1, "pointer-events": "none", class: "layer"}, svg);
const tip = html("div", {class: "tip", role: "tooltip"}, "", layer);

function tell(i, x, y) {
  tip.hidden = i < 0;
  if (i < 0) return;
  const [first, ...others] = describe(i);
  tip.replaceChildren(html("b", {}, first), ...others.map(line => html("div", {}, line)));
  const width = tip.offsetWidth, height = tip.offsetHeight;
  const right = scrollX + innerWidth - margin, low = scrollY + innerHeight - margin;
  layer.setAttribute("x", px(Math.max(margin, Math.min(x + 14, right - width))));
  layer.setAttribute("y", px(y + 18 + height > low ? Math.max(y - height - 10, scrollY) : y + 18));
}

function focus(i) {
  state.focus = i;
  showFocus();
  const at = places.get(i);
  if (!at) return tell(-1);
  tell(i, margin + at.x + Math.min(at.width / 2, 200), top_ + at.y);
  said.textContent = describe(i).slice(0, 2).join(", ");
  const line = top_ + at.y;
  if (line < scrollY + 40 || line > scrollY + innerHeight - 60) scrollTo({top: line - innerHeight / 2});
}

graph.addEventListener("pointermove", event => tell(event.target.node ?? -1, event.pageX, event.pageY));
graph.addEventListener("pointerleave", () => tell(-1));
graph.addEventListener("click", event => {
  const i = event.target.node;
  if (i === undefined) return;
  state.focus = i;
  tell(-1);
  zoom(i === state.root && tree.parent[i] < 0 ? -1 : i);
});
function find(expression) {
  box.value = expression;
  search(expression);
  recolour();
  remember();
}

box.addEventListener("input", () => find(box.value));
box.addEventListener("keydown", event => {
  if (event.key === "Enter") step(hits(), event.shiftKey ? -1 : 1);
  if (event.key === "Escape") { find(""); graph.focus({preventScroll: true}); }
  event.stopPropagation();
});

/** The neighbouring box on the same level, in the order on the screen. */
function beside(by) {
  const level = shown.filter(([i]) => tree.depth[i] === tree.depth[state.focus]).sort((a, b) => a[1] - b[1]);
  const at = level.findIndex(([i]) => i === state.focus) + by;
  return level[at] ? level[at][0] : state.focus;
}

function inward() {
  const inner_ = shown.filter(([i]) => tree.parent[i] === state.focus).sort((a, b) => b[2] - a[2]);
  return inner_.length ? inner_[0][0] : state.focus;
}

graph.setAttribute("tabindex", "0");
graph.setAttribute("role", "application");
graph.setAttribute("aria-label", "Flame graph: arrows move, Enter zooms, Escape shows everything, / searches");
graph.addEventListener("focus", () => { if (!places.has(state.focus) && shown.length) state.focus = shown[0][0]; focus(state.focus); });
graph.addEventListener("blur", () => { showFocus(); tell(-1); });
document.addEventListener("keydown", event => {
  if (event.altKey || event.metaKey) return;
  const key = event.ctrlKey ? `Ctrl+${event.key}` : event.key;
  const up = state.icicle ? () => tree.parent[state.focus] : inward, down = state.icicle ? inward : () => tree.parent[state.focus];
  const moves = {ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), ArrowUp: up, ArrowDown: down};
  if (key in moves && document.activeElement === graph) {
    const i = moves[key]();
    if (i >= 0) focus(i);
  } else if (key === "Enter" && document.activeElement === graph) {
    zoom(state.focus);
    focus(state.focus);
  } else if (key === "Escape") {
    if (state.search) find(""); else zoom(-1);
  } else if (key === "/" || key === "Ctrl+f") {
    box.focus();
    box.select();
  } else if (key === "n" || key === "N") step(hits(), key === "n" ? 1 : -1);
  else return;
  event.preventDefault();
});
addEventListener("hashchange", () => { if ((location.hash || "#") !== (remembered || "#")) recall(); });
addEventListener("resize", () => { tell(-1); draw(); });
dark.addEventListener("change", draw);
svg.setAttribute("role", "group");
tell(-1);
recall();
if (!state.icicle && top_ + tree.levels * ROW > innerHeight) scrollTo({top: document.documentElement.scrollHeight});
