// Elements are made from text, never from markup: names are not trusted.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name.includes("-") || name === "role" || name === "scope" || name === "colspan") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
  return element;
}

function direction(change, real) {
  return !real || !change ? "" : change > 0 ? "grew" : "shrank";
}

/** The costs of a node and what is known about its function, as a table. */
function factsTable(facts, tree, node) {
  const { amount, profile } = facts, frame = tree.frame[node], rows = [];
  if (profile.sides === 2) {
    rows.push(make("tr", {}, ...["", "before", "after", "change", profile.amount.noun ? "of all" : "of test"].map(text => make("th", { scope: "col" }, text))));
    for (const [name, before, after] of facts.costs(tree, node)) {
      const change = after - before;
      rows.push(make("tr", {},
        make("th", { scope: "row" }, name), make("td", {}, amount.of(before)), make("td", {}, amount.of(after)),
        make("td", { class: direction(change, name === "self" ? facts.ownReal(frame) : facts.real(frame)) }, amount.signed(change)),
        make("td", {}, profile.base > 0 ? signedPercent(change / profile.base) : ""),
      ));
    }
  } else {
    for (const [name, , cost] of facts.costs(tree, node)) {
      rows.push(make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, amount.of(cost)), make("td", {}, percent(cost / (tree.totals.head || 1)))));
    }
  }
  return make("table", { class: "facts" }, make("tbody", {}, ...rows));
}

function statisticsList(facts, frame) {
  return make("dl", { class: "facts" }, ...facts.statistics(frame).map(([label, text]) => make("div", {}, make("dt", {}, label), make("dd", {}, text))));
}

const tooltip = make("div", { class: "tooltip", role: "tooltip", id: "flame-tooltip", hidden: true });
document.body.append(tooltip);

function showTooltip(facts, tree, node, x, y) {
  const frame = tree.frame[node], place = facts.place(frame);
  tooltip.replaceChildren(
    make("b", {}, facts.name(frame)), place ? make("span", { class: "place" }, place) : "",
    factsTable(facts, tree, node), statisticsList(facts, frame),
  );
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect(), page = document.documentElement;
  const left = x + 16 + width > page.clientWidth ? Math.max(4, Math.min(x - width - 16, page.clientWidth - width - 4)) : x + 16;
  const top = y + 20 + height > page.clientHeight ? Math.max(4, y - height - 14) : y + 20;
  tooltip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}

function hideTooltip() {
  tooltip.hidden = true;
}
