// One test's graph with everything around it. ``state``, which is the page's address, determines what is shown.
const COLUMNS = { difference: "widest", before: "base", after: "head" };
const LIBRARIES = ["stdlib", "installed", "pytest"];
let viewers = 0, windowHeight = innerHeight;
addEventListener("resize", () => { windowHeight = innerHeight; });

class Viewer {
  constructor(section, profile) {
    this.section = section;
    this.anchor = section.id;
    this.profile = profile;
    this.facts = new Facts(profile);
    this.trees = new Map();
    const root = (this.root = document.getElementById("flame-viewer").content.firstElementChild.cloneNode(true));
    const number = (viewers += 1);
    for (const radio of root.querySelectorAll("input[type=radio]")) radio.name += `-${number}`;
    for (const element of root.querySelectorAll("[id]")) element.id += `-${number}`;
    for (const element of root.querySelectorAll("[aria-controls]")) element.setAttribute("aria-controls", `${element.getAttribute("aria-controls")}-${number}`);
    for (const element of root.querySelectorAll("[aria-labelledby]")) element.setAttribute("aria-labelledby", `${element.getAttribute("aria-labelledby")}-${number}`);
    if (profile.sides === 1) {
      root.querySelector(".views").remove();
      for (const element of root.querySelectorAll(".two-sided")) element.remove();
      root.querySelector("option[value=change]").remove();
    } else for (const element of root.querySelectorAll(".one-sided")) element.remove();
    if (!profile.tested) for (const element of root.querySelectorAll(".tested")) element.remove();
    this.one = selector => root.querySelector(selector);
    this.status = this.one("[aria-live]");
    const say = text => { this.status.textContent = text; };
    this.pane = new Pane(this.one(".main-stage"), this.facts, say, {
      chosen: node => this.zoomTo(node),
      left: () => (this.state.find && this.graph.zoom < 0 ? this.change({ find: "" }) : this.change({ at: "" })),
      moved: node => this.describe(this.graph.tree.frame[node]),
      key: event => this.key(event),
    }, () => Math.max(160, Math.round(windowHeight * 0.62)));
    this.graph = this.pane.graph;
    this.sides = ["callers", "callees"].map(which => new Pane(this.one(`.${which}-stage`), this.facts, say, {
      chosen: node => this.choose(this.sides.find(pane => pane.graph.canvas === document.activeElement || pane.which === which).graph.tree.frame[node], "callers"),
      left: () => this.graph.canvas.focus(),
    }, () => 340));
    this.sides.forEach((pane, i) => {
      pane.which = ["callers", "callees"][i];
      pane.on.chosen = node => this.choose(pane.graph.tree.frame[node], "callers");
    });
    this.table = new FunctionTable(this.one(".functions-panel"), this.facts, frame => {
      this.choose(frame);
      this.one(".main-stage").scrollIntoView({ block: "nearest" });
    });
    this.listen();
  }

  listen() {
    const { root } = this, value = name => event => this.change({ [name]: event.target.value });
    for (const radio of root.querySelectorAll(".views input")) radio.addEventListener("change", value("view"));
    for (const radio of root.querySelectorAll(".shapes input")) radio.addEventListener("change", value("shape"));
    this.one(".inverted").addEventListener("change", event => this.change({ inverted: event.target.checked ? "yes" : "", at: "" }));
    this.one(".fold").addEventListener("change", event => this.change({ fold: event.target.checked ? LIBRARIES.join(",") : "", at: "" }));
    for (const box of root.querySelectorAll(".homes input")) {
      box.addEventListener("change", () => this.change({ fold: [...root.querySelectorAll(".homes input:checked")].map(one => one.value).join(","), at: "" }));
    }
    this.one(".colour").addEventListener("change", value("colour"));
    this.one(".reset").addEventListener("click", () => this.change({ at: "" }));
    this.find = this.one("input[type=search]");
    this.find.addEventListener("input", () => this.change({ find: encodeURIComponent(this.find.value) }, { push: false }));
    this.find.addEventListener("keydown", event => {
      if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape" && this.find.value === "") this.graph.canvas.focus();
    });
    this.one(".next").addEventListener("click", () => this.step(1));
    this.one(".previous").addEventListener("click", () => this.step(-1));
    for (const tab of root.querySelectorAll("[role=tab]")) {
      tab.addEventListener("click", () => this.change({ tab: tab.dataset.tab }));
      tab.addEventListener("keydown", event => this.tabKey(event));
    }
    this.one(".copy").addEventListener("click", event => this.copy(event.currentTarget));
    this.one(".to-callers").addEventListener("click", () => this.showTab("callers"));
    this.one(".to-source").addEventListener("click", () => this.showTab("source"));
  }

  showTab(tab) {
    this.change({ tab });
    this.one(`[data-tab=${tab}]`).scrollIntoView({ block: "nearest" });
  }

  tabKey(event) {
    const tabs = [...this.root.querySelectorAll("[role=tab]")], step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(event.currentTarget) + step + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  key(event) {
    const keys = {
      n: () => this.step(1), N: () => this.step(-1), c: () => this.copy(this.one(".copy")),
      Home: () => this.pane.moveTo(Math.max(this.graph.zoom, 0)), Backspace: () => this.zoomTo(this.graph.tree.parent[this.graph.zoom] ?? -1),
    };
    if (!Object.hasOwn(keys, event.key)) return false;
    keys[event.key]();
    return true;
  }

  // --- state ---

  change(changes, { push = true } = {}) {
    const state = { ...this.state, ...changes }, hash = address(this.anchor, state);
    if (hash !== address(this.anchor, this.state)) history[push ? "pushState" : "replaceState"](null, "", hash);
    this.apply(state);
  }

  /** Draws what ``state`` says; reports and leaves out what it names that does not exist. */
  apply(state) {
    const before = this.state ?? {};
    this.state = { ...state };
    const unknown = this.correct(this.state);
    this.tree = this.treeOf(this.state.fold, this.state.inverted);
    this.column = this.profile.sides === 1 ? "head" : COLUMNS[this.state.view];
    const { graph } = this;
    const reshaped = before.shape !== this.state.shape || graph.tree !== this.tree;
    graph.set(this.tree, this.column, new Painter(this.profile, this.colour(), this.facts));
    graph.flame = (this.state.shape === "flame");
    const zoom = this.nodeOf(this.state.at);
    const moved = graph.zoom !== zoom;
    graph.zoom = zoom;
    const changed = this.search();
    graph.show({ reveal: moved || reshaped });
    if (moved && zoom >= 0) graph.focusOn(zoom);
    // The page changes after the graph, which reads its layout.
    this.controls();
    this.results(changed);
    this.crumbs();
    this.legend();
    const named = this.frameNamed(decodePath(this.state.of)?.[0]);
    this.describe(named >= 0 ? named : zoom >= 0 ? this.tree.frame[zoom] : this.firstFrame());
    this.tabs();
    this.one(".reset").disabled = zoom < 0;
    this.notice(unknown);
  }

  correct(state) {
    const allowed = {
      view: Object.keys(COLUMNS), shape: ["flame", "icicle"], inverted: ["", "yes"], colour: ["", "change", "module", "kind"],
      tab: ["functions", "callers", "source"],
    };
    let wrong = "";
    for (const [key, values] of Object.entries(allowed)) {
      if (!values.includes(state[key])) {
        wrong = `This page has no ${key} “${state[key]}”.`;
        state[key] = DEFAULTS[key];
      }
    }
    state.fold = state.fold.split(",").filter(home => LIBRARIES.includes(home)).join(",");
    if (state.at && this.nodeOf(state.at, this.treeOf(state.fold, state.inverted)) < 0) {
      wrong = "The frame that this address names is not in this graph.";
      state.at = "";
    }
    return wrong;
  }

  controls() {
    const { root, state } = this;
    for (const radio of root.querySelectorAll(".views input")) radio.checked = radio.value === state.view;
    for (const radio of root.querySelectorAll(".shapes input")) radio.checked = radio.value === state.shape;
    this.one(".inverted").checked = state.inverted === "yes";
    const folded = state.fold ? state.fold.split(",") : [];
    this.one(".fold").checked = folded.length > 0;
    this.one(".fold").indeterminate = folded.length > 0 && folded.length < LIBRARIES.length;
    this.one(".homes").hidden = !folded.length;
    for (const box of root.querySelectorAll(".homes input")) box.checked = folded.includes(box.value);
    this.one(".colour").value = this.colour();
    const text = decodePath(state.find)?.[0] ?? "";
    if (this.find.value !== text) this.find.value = text;
  }

  colour() {
    return this.state.colour && !(this.state.colour === "change" && this.profile.sides === 1) ? this.state.colour : this.profile.sides === 1 ? "module" : "change";
  }

  treeOf(fold, invertedToo) {
    const key = `${fold} ${invertedToo}`;
    let tree = this.trees.get(key);
    if (!tree) {
      tree = this.profile.tree;
      if (fold) tree = folding(tree, this.facts.folded(new Set(fold.split(","))), this.facts.frames + 0);
      if (invertedToo) {
        const found = bottomUp(tree, this.facts.frames);
        tree = found.tree;
        tree.cut = found.cut;
      }
      this.trees.set(key, tree);
    }
    return tree;
  }

  frameNamed(name) {
    if (name === undefined) return -1;
    if (this.named !== this.facts.frames) {
      this.named = this.facts.frames; // folding adds some
      this.byName = new Map();
      for (let frame = this.facts.frames - 1; frame >= 0; frame -= 1) this.byName.set(this.facts.name(frame), frame);
    }
    return this.byName.get(name) ?? -1;
  }

  nodeOf(at, tree = this.tree) {
    const names = decodePath(at);
    if (!names || !names.length) return -1;
    const path = names.map(name => this.frameNamed(name));
    return path.includes(-1) ? -1 : tree.find(path);
  }

  firstFrame() {
    return this.table.rows.length ? (this.profile.culprits[0] ?? this.profile.tree.frame[0]) : -1;
  }

  zoomTo(node) {
    const path = node < 0 ? [] : this.tree.path(node).map(frame => this.facts.name(frame));
    this.change({ at: encodePath(path), of: "" });
  }

  /** Describes this function, and shows its widest box. */
  choose(frame, tab) {
    const { graph, tree } = this;
    let widest = -1;
    if (this.facts.box(frame) === undefined) {
      for (let i = 0; i < tree.size; i += 1) if (tree.frame[i] === frame && (widest < 0 || graph.w[i] > graph.w[widest])) widest = i;
    }
    const changes = { of: encodePath([this.facts.name(frame)]), ...(tab ? { tab } : {}) };
    if (widest >= 0 && graph.zoom >= 0 && !(widest >= graph.zoom && widest < tree.end[graph.zoom])) changes.at = "";
    this.change(changes);
    if (widest >= 0) graph.focusOn(widest);
  }

  // --- what is around the graph ---

  notice(text) {
    const cut = this.tree.cut ? `Callers of frames below 0.002 % of the test are left out of the inverted view.` : "";
    this.one(".notice").textContent = [text, this.problem, cut].filter(Boolean).join(" ");
  }

  /** Searches; true if the search has changed. */
  search() {
    const text = decodePath(this.state.find)?.[0] ?? "";
    const changed = this.searched !== text || this.searchedFrames !== this.facts.frames;
    if (changed) {
      this.searched = text;
      this.searchedFrames = this.facts.frames;
      this.found = null;
      this.problem = "";
      try {
        if (text) this.found = new Search(text, this.facts.names());
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        this.problem = `Not a regular expression: ${error.message.replace(/^Invalid regular expression: (.*: )?/s, "")}.`;
      }
    }
    this.graph.matched = this.found ? this.found.frames : null;
    this.at = -1;
    this.matches = this.found ? this.found.over(this.tree, this.column) : { nodes: [], share: 0 };
    return changed;
  }

  /** Says what was found. */
  results(changed) {
    if (changed) {
      this.find.setAttribute("aria-invalid", String(this.problem !== ""));
      this.table.filter(this.found ? this.found.frames : null);
    }
    const { functions } = this.found ?? {};
    this.one("output").textContent = !this.found ? "" : `${percent(this.matches.share)} matched, ${functions} ${functions === 1 ? "function" : "functions"}`;
    for (const button of [this.one(".next"), this.one(".previous")]) button.disabled = !this.matches.nodes.length;
  }

  step(by) {
    const { nodes } = this.matches;
    if (!nodes.length) return;
    this.at = this.at < 0 && by < 0 ? nodes.length - 1 : (this.at + by + nodes.length) % nodes.length;
    const node = nodes[this.at], index = this.at;
    if (!this.graph.seen(node) || this.graph.rectangle(node).width < 3) {
      let around = this.tree.parent[node];
      while (around >= 0 && this.graph.w[node] / this.graph.w[around] < 0.002 && this.tree.parent[node] !== around) around = this.tree.parent[around];
      const path = around < 0 ? [] : this.tree.path(around).map(frame => this.facts.name(frame));
      this.change({ at: encodePath(path) }, { push: false });
      this.at = index;
    }
    this.graph.focusOn(node);
    this.describe(this.tree.frame[node]);
    this.status.textContent = `match ${index + 1} of ${nodes.length}: ${this.facts.spoken(this.tree, node)}`;
    this.one("output").textContent = `${percent(this.matches.share)} matched, ${index + 1} of ${nodes.length}`;
  }

  crumbs() {
    const { tree, graph, facts } = this, nodes = [-1, ...tree.line(graph.zoom)];
    // Only the beginning and the end of deep paths.
    const hidden = nodes.length > 12 ? nodes.length - 11 : 0;
    const items = nodes.filter((_, at) => !hidden || at < 4 || at >= 4 + hidden).map(node => {
      const name = node < 0 ? "all" : facts.name(tree.frame[node]);
      const current = node === graph.zoom;
      return make("li", {}, make("button", { type: "button", class: "link", title: name, ...(current ? { "aria-current": "true" } : {}), on: { click: () => this.zoomTo(node) } }, node < 0 ? "all" : facts.fit(tree.frame[node], 40)));
    });
    if (hidden) items.splice(4, 0, make("li", {}, `… ${hidden} more …`));
    this.one("nav ol").replaceChildren(...items);
  }

  legend() {
    const key = [this.colour(), this.column, this.tree.totals[this.column], palette().paper].join(" ");
    if (this.legendKey === key) return;
    this.legendKey = key;
    this.one(".legend").replaceChildren(...legendOf(this.facts, this.colour(), this.column, this.tree.totals[this.column]));
  }

  describe(frame) {
    this.described = frame;
    const { facts } = this, panel = this.one(".function");
    panel.hidden = frame < 0;
    if (frame < 0) return;
    const place = facts.place(frame), home = facts.home(frame), library = facts.box(frame) !== undefined;
    this.one(".function h4").textContent = facts.name(frame);
    this.one(".function .where").textContent = [place, HOME_WORDS[home]].filter(Boolean).join(" · ");
    const happened = facts.profile.tested && facts.real(frame) ? facts.happened(frame) : "";
    this.one(".function .happened").textContent = happened ? `${facts.culprit(frame) ? "◆ culprit: " : ""}${happened}` : "";
    const at = this.profile.path[frame];
    this.one(".function .links").replaceChildren(...(at ? sourceLinks(this.profile.paths[at - 1], this.profile.line[frame]) : []));
    this.one(".to-callers").disabled = library;
    this.one(".to-source").disabled = !this.profile.sources.has(frame);
    if (this.state.tab !== "functions") this.tabs();
  }

  tabs() {
    for (const tab of this.root.querySelectorAll("[role=tab]")) {
      const current = tab.dataset.tab === this.state.tab;
      tab.setAttribute("aria-selected", String(current));
      tab.tabIndex = current ? 0 : -1;
      this.one(`.${tab.dataset.tab}-panel`).hidden = !current;
    }
    const frame = this.described, named = frame >= 0 ? this.facts.name(frame) : "";
    if (this.state.tab === "callers" && frame >= 0) this.callers(frame, named);
    if (this.state.tab === "source" && frame >= 0) {
      const source = this.profile.sources.get(frame), panel = this.one(".source-panel div");
      panel.replaceChildren(make("h4", {}, `Source of ${named}`), source ? sourceTable(this.facts, source) : make("p", { class: "quiet" }, this.profile.sourceless));
    }
  }

  callers(frame, named) {
    const tree = this.treeOf(this.state.fold, ""), painter = new Painter(this.profile, this.colour(), this.facts);
    const key = `${frame} ${this.state.fold}`;
    if (this.callersKey !== key) {
      this.callersKey = key;
      this.callerTrees = [callersOf(tree, frame, this.facts.frames), calleesOf(tree, frame, this.facts.frames)];
    }
    this.one(".callers-panel h4").textContent = `Callers of ${named}`;
    this.one(".callers-panel h4 ~ h4").textContent = `What ${named} calls`;
    this.sides.forEach((pane, i) => {
      pane.graph.set(this.callerTrees[i], this.column, painter);
      pane.graph.flame = i === 0;
      pane.graph.canvas.setAttribute("aria-label", `${i ? "Callees" : "Callers"} of ${named}`);
      pane.graph.show({ reveal: true });
    });
  }

  async copy(button) {
    const text = this.facts.name(this.described);
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      // Pages opened from disk may have no clipboard: the old way.
      const field = make("textarea", { value: text });
      this.root.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
      button.focus();
    }
    this.status.textContent = done ? `copied ${text}` : "the browser did not let the name be copied";
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = "Copy name"; }, 1500);
  }

  redraw() {
    this.apply(this.state);
  }
}
