// A function's source with the cost of each line, and links to its file.
function fillTemplate(template, values) {
  return template.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]).split("/").map(encodeURIComponent).join("/") : whole));
}

/** Links to a line of a file: in the repository if the page knows where, and in an editor if it was opened from disk. */
function sourceLinks(path, line) {
  const { links } = SETTINGS, found = [];
  if (!path || !line || /^[/<…]/.test(path)) return found;
  if (links.source && (links.commit || !links.source.includes("{commit}"))) {
    const href = fillTemplate(links.source, { path: links.prefix + path, line, commit: links.commit });
    found.push(make("a", { href, rel: "noreferrer", target: "_blank" }, "Open source"));
  }
  if (links.editor && links.root !== null && location.protocol === "file:") {
    const url = new URL(`${links.root}/${path.split("/").map(encodeURIComponent).join("/")}`, location.href);
    found.push(make("a", { href: fillTemplate(links.editor, { file: decodeURIComponent(url.pathname), line }) }, "Open in editor"));
  }
  return found;
}

function sourceTable(facts, source) {
  const { amount, profile } = facts, two = profile.sides === 2;
  const most = Math.max(...source.rows.map(([, , , before, after]) => Math.max(before, after)), 1);
  const bar = (cost, kind) => {
    const cell = make("td", { class: `cost ${kind}` }, cost ? amount.of(cost) : "");
    if (cost) cell.style.setProperty("--share", `${Math.max(2, cost / most * 100).toFixed(1)}%`);
    return cell;
  };
  const heads = two ? ["line before", "line", "CPU before", "CPU after", "change", "source"] : ["line", "CPU", "source"];
  const rows = source.rows.map(([before, after, text, baseCost, headCost, tag]) => {
    const change = headCost - baseCost;
    const code = make("td", { class: "code" }, tag !== "+" && tag !== "-" ? "" : make("span", { class: "tag" }, tag === "+" ? "+" : MINUS), make("code", {}, text || " "));
    if (tag === "…") code.classList.add("quiet");
    const cells = two
      ? [make("td", { class: "line" }, before ? String(before) : ""), make("td", { class: "line" }, after ? String(after) : ""), bar(baseCost, "before"), bar(headCost, "after"), make("td", { class: "num" }, change ? amount.signed(change) : "")]
      : [make("td", { class: "line" }, after ? String(after) : ""), bar(headCost, "after")];
    return make("tr", { class: tag === "+" ? "added" : tag === "-" ? "removed" : "" }, ...cells, code);
  });
  return make("table", { class: "source" },
    make("caption", {}, source.note),
    make("thead", {}, make("tr", {}, ...heads.map(text => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows));
}
