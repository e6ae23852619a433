// A flame graph on a canvas no larger than its window, whatever the size of the tree.
const ROW = 20, BOX = 19, PADDING = 4, FONT = 12, THIN = 0.5;
const REGULAR = /^[\0-\u02ff…−◆]*$/; // characters of other scripts may be wider than their columns
const FACE = '12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';

class Graph {
  /** Calls ``host.hovered(node, event)`` and ``host.chosen(node)``; ``host.tallest()`` limits the height, in pixels. */
  constructor(stage, host) {
    this.stage = stage;
    this.host = host;
    this.pane = stage.querySelector(".pane");
    this.canvas = stage.querySelector("canvas");
    this.hoverBox = stage.querySelector(".at-hover");
    this.focusBox = stage.querySelector(".at-focus");
    this.filler = stage.querySelector(".filler");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.zoom = this.focus = this.hover = -1;
    this.flame = true;
    this.matched = null;
    this.drawings = 0;
    this.canvas.dataset.row = ROW;
    // Reading these after the page has changed would force a layout at every step.
    this.width = this.scroll = 0;
    stage.addEventListener("scroll", () => {
      this.scroll = stage.scrollTop;
      this.soon();
    }, { passive: true });
    this.canvas.addEventListener("pointermove", event => this.point(this.hit(event), event));
    this.canvas.addEventListener("pointerleave", () => this.point(-1));
    this.canvas.addEventListener("click", event => {
      const node = this.hit(event);
      if (node >= 0) host.chosen(node);
    });
    new ResizeObserver(() => {
      if (stage.clientWidth === this.width) return;
      this.width = stage.clientWidth;
      if (this.tree) this.show();
    }).observe(stage);
  }

  set(tree, column, painter) {
    if (tree !== this.tree) this.zoom = this.focus = -1;
    Object.assign(this, { tree, column, painter, x: tree.places(column), w: tree[column], total: tree.totals[column] });
    if (this.hover >= 0) this.point(-1);
  }

  /** Fits the window to the tree and draws. */
  show({ reveal = false } = {}) {
    const { tree, zoom } = this;
    this.width ||= this.stage.clientWidth;
    if (!this.width || !tree) return;
    this.left = zoom < 0 ? 0 : this.x[zoom];
    this.scale = this.width / ((zoom < 0 ? this.total : this.w[zoom]) || 1);
    this.levels = this.visibleLevels();
    const whole = this.levels * ROW, most = printing ? 4000 : this.host.tallest();
    const height = Math.max(ROW, Math.min(whole, most)), pixels = window.devicePixelRatio || 1;
    if (height !== this.height || whole !== this.whole) {
      Object.assign(this, { height, whole });
      this.stage.style.height = this.pane.style.height = `${height}px`;
      this.filler.style.height = `${Math.max(0, whole - height)}px`;
      this.scrollTo(this.scroll);
    }
    const wide = Math.round(this.width * pixels), high = Math.round(this.height * pixels);
    if (this.canvas.width !== wide || this.canvas.height !== high) Object.assign(this.canvas, { width: wide, height: high });
    this.canvas.style.height = `${this.height}px`;
    this.pixels = pixels;
    if (reveal) this.reveal(zoom);
    this.draw();
  }

  visibleLevels() {
    const { tree, zoom, w } = this, least = THIN / this.scale;
    let deepest = zoom < 0 ? -1 : tree.depth[zoom];
    for (let i = Math.max(zoom, 0), stop = zoom < 0 ? tree.size : tree.end[zoom]; i < stop;) {
      if (w[i] < least) i = tree.end[i];
      else deepest = Math.max(deepest, tree.depth[i++]);
    }
    return deepest + 1;
  }

  top(depth) {
    return (this.flame ? this.levels - 1 - depth : depth) * ROW;
  }

  reveal(node) {
    const y = this.top(node < 0 ? 0 : this.tree.depth[node]), { scroll } = this;
    if (y < scroll + ROW || y > scroll + this.height - 2 * ROW) this.scrollTo(this.flame ? y - this.height + 3 * ROW : y - 2 * ROW);
  }

  scrollTo(wanted) {
    const scroll = Math.max(0, Math.min(wanted, this.whole - this.height));
    if (scroll !== this.scroll) this.stage.scrollTop = this.scroll = scroll;
  }

  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    if (!this.tree || !this.width) return;
    const { context, tree, x, w, zoom, scale, left, height, width } = this;
    const { painter: { colours }, scroll } = this;
    context.setTransform(this.pixels, 0, 0, this.pixels, 0, 0);
    context.fillStyle = colours.paper;
    context.fillRect(0, 0, width, height);
    context.font = FACE;
    context.textBaseline = "alphabetic";
    this.advance ||= context.measureText("0".repeat(50)).width / 50;
    for (let i = zoom < 0 ? -1 : tree.parent[zoom]; i >= 0; i = tree.parent[i]) this.box(i, 0, width, this.top(tree.depth[i]) - scroll, true);
    const painted = new Int32Array(this.levels).fill(-1), strength = new Float64Array(this.levels), thin = THIN / scale;
    for (let i = Math.max(zoom, 0), stop = zoom < 0 ? tree.size : tree.end[zoom]; i < stop;) {
      const depth = tree.depth[i];
      if (depth >= this.levels) { i = tree.end[i]; continue; }
      const y = this.top(depth) - scroll, at = (x[i] - left) * scale;
      if (this.flame ? y < -ROW : y > height) { i = tree.end[i]; continue; }
      if (w[i] < thin) {
        // Boxes that are too thin to see share one column of pixels, in the strongest of their colours.
        const column = Math.floor(at);
        if (w[i] > 0 && y < height && y > -ROW) {
          const strong = this.strength(i);
          if (painted[depth] !== column || strong > strength[depth]) {
            painted[depth] = column;
            strength[depth] = strong;
            context.fillStyle = this.matched?.[tree.frame[i]] ? colours.match : this.painter.fill(tree, i);
            context.fillRect(column, y, 1, BOX);
          }
        }
        i = tree.end[i];
        continue;
      }
      if (y < height && y > -ROW) this.box(i, at, w[i] * scale, y, false);
      i += 1;
    }
    if (this.painter.by === "change") this.outlines(colours);
    this.frameBox(this.focusBox, this.focus);
    this.frameBox(this.hoverBox, this.hover);
    const data = this.canvas.dataset;
    data.drawn = this.drawings += 1;
    data.top = Math.round(scroll);
    data.levels = this.levels;
  }

  /** How important it is to show a box that is too thin to see. */
  strength(node) {
    const { tree, painter } = this;
    if (this.matched?.[tree.frame[node]]) return Infinity;
    return painter.by === "change" && painter.facts.real(tree.frame[node]) ? Math.abs(tree.head[node] - tree.base[node]) : 0;
  }

  /** Culprits stand out whatever their width: an outline, and a pointer where that would be lost. */
  outlines(colours) {
    const { context } = this;
    for (const node of this.painter.facts.blamed(this.tree)) {
      const at = this.rectangle(node);
      if (!at || at.y < -ROW || at.y > this.height || at.x + at.width < 0 || at.x > this.width) continue;
      context.strokeStyle = colours.ink;
      context.lineWidth = 2;
      context.strokeRect(at.x + 1, at.y + 1, Math.max(at.width - 2.6, 0.5), BOX - 2);
      if (at.width < 3 * this.advance) this.pointer(at.x + at.width / 2, at.y, colours);
    }
  }

  box(node, at, wide, y, beneath) {
    const { context, tree, painter } = this, colours = painter.colours, frame = tree.frame[node];
    const shown = wide > 2 ? wide - 0.6 : wide, hit = this.matched && this.matched[frame];
    const dim = beneath || (this.matched && !hit);
    context.globalAlpha = dim ? 0.45 : 1;
    context.fillStyle = hit ? colours.match : painter.fill(tree, node);
    context.fillRect(at, y, shown, BOX);
    context.globalAlpha = 1;
    const mark = painter.mark(tree, node);
    if (painter.by === "change" && mark) {
      if (!tree.head[node]) this.hatch(at, y, shown, colours);
      const own = Math.min(Math.abs(tree.headSelf[node] - tree.baseSelf[node]) * this.scale, shown);
      if (own >= 1) {
        context.fillStyle = tree.headSelf[node] > tree.baseSelf[node] ? colours.own_red : colours.own_blue;
        context.fillRect(at + shown - own, y + BOX - 3, own, 3);
      }
    }
    const { facts } = painter, culprit = painter.by === "change" && facts.blamed(tree).has(node);
    const start = Math.max(at, 0), room = Math.floor((Math.min(at + shown, this.width) - start - 2 * PADDING) / this.advance);
    if (room < (mark || culprit ? 1 : FEWEST_COLUMNS)) return;
    const change = tree.head[node] - tree.base[node];
    const text = labelOf(facts.formsOf(frame), { mark, change: mark && change ? facts.amount.signed(change) : "", culprit }, room);
    if (!text) return;
    context.fillStyle = colours.ink;
    if (REGULAR.test(text)) context.fillText(text, start + PADDING, y + 14);
    else context.fillText(text, start + PADDING, y + 14, room * this.advance);
  }

  hatch(at, y, wide, colours) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(at, y, wide, BOX);
    context.clip();
    context.strokeStyle = colours.paper;
    context.globalAlpha = 0.55;
    context.lineWidth = 2;
    context.beginPath();
    const first = Math.max(at, 0), last = Math.min(at + wide, this.width);
    for (let x = first - BOX - (first % 8); x < last; x += 8) {
      context.moveTo(x, y + BOX);
      context.lineTo(x + BOX, y);
    }
    context.stroke();
    context.restore();
  }

  pointer(x, y, colours) {
    const { context } = this;
    context.beginPath();
    context.moveTo(x - 6, y - 10);
    context.lineTo(x + 6, y - 10);
    context.lineTo(x, y);
    context.closePath();
    context.fillStyle = colours.ink;
    context.strokeStyle = colours.paper;
    context.lineWidth = 1;
    context.fill();
    context.stroke();
  }

  /** Where a node is drawn, in pixels of the pane; null if it is not drawn. */
  rectangle(node) {
    const { tree, zoom } = this;
    if (node < 0) return null;
    const depth = tree.depth[node], y = this.top(depth) - this.scroll;
    if (depth >= this.levels) return null;
    if (zoom >= 0 && node < zoom && tree.end[node] > zoom) return { x: 0, y, width: this.width };
    if (zoom >= 0 && (node < zoom || node >= tree.end[zoom])) return null;
    return { x: (this.x[node] - this.left) * this.scale, y, width: this.w[node] * this.scale };
  }

  frameBox(element, node) {
    const at = this.rectangle(node);
    element.hidden = !at || at.y > this.height || at.y < -ROW;
    if (element.hidden) return;
    element.style.transform = `translate(${at.x}px, ${at.y}px)`;
    element.style.width = `${Math.max(at.width - (at.width > 2 ? 0.6 : 0), 2)}px`;
  }

  hit(event) {
    const { tree } = this;
    if (!tree || !this.width) return -1;
    const bounds = this.canvas.getBoundingClientRect();
    const row = Math.floor((event.clientY - bounds.top + this.scroll) / ROW);
    const depth = this.flame ? this.levels - 1 - row : row;
    if (depth < 0 || depth >= this.levels) return -1;
    if (this.zoom >= 0 && depth < tree.depth[this.zoom]) {
      let node = this.zoom;
      while (tree.depth[node] > depth) node = tree.parent[node];
      return node;
    }
    const x = this.left + (event.clientX - bounds.left) / this.scale, nodes = tree.rows()[depth];
    let low = 0, high = nodes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[nodes[middle]] <= x) low = middle + 1;
      else high = middle;
    }
    // Nodes without width share their position with the next one.
    for (let at = low - 1; at >= 0; at -= 1) {
      const node = nodes[at];
      if (this.w[node] > 0) return x < this.x[node] + this.w[node] ? node : -1;
    }
    return -1;
  }

  point(node, event) {
    if (node !== this.hover) {
      this.hover = node;
      if (this.tree && this.width) this.frameBox(this.hoverBox, node);
    }
    this.host.hovered(node, event);
  }

  focusOn(node, { scroll = true } = {}) {
    this.focus = node;
    if (scroll && node >= 0) {
      const y = this.top(this.tree.depth[node]), { scroll } = this;
      if (y < scroll) this.scrollTo(y - ROW);
      else if (y + ROW > scroll + this.height) this.scrollTo(y + 2 * ROW - this.height);
    }
    this.frameBox(this.focusBox, node);
  }

  seen(node) {
    const at = this.rectangle(node);
    return at !== null && at.width >= THIN && at.x + at.width > 0 && at.x < this.width;
  }

  /** The node an arrow key leads to from the focused one. */
  neighbour(key) {
    const { tree } = this, from = this.focus;
    if (from < 0 || !this.seen(from)) return this.zoom >= 0 ? this.zoom : tree.size ? 0 : -1;
    if (key === (this.flame ? "ArrowDown" : "ArrowUp")) return tree.parent[from] >= 0 ? tree.parent[from] : from;
    if (key === "ArrowDown" || key === "ArrowUp") {
      let best = -1;
      for (const child of tree.children(from)) if (this.seen(child) && (best < 0 || this.w[child] > this.w[best])) best = child;
      return best < 0 ? from : best;
    }
    const nodes = tree.rows()[tree.depth[from]], step = key === "ArrowLeft" ? -1 : 1;
    let at = nodes.indexOf(from) + step;
    while (at >= 0 && at < nodes.length && !this.seen(nodes[at])) at += step;
    return nodes[at] ?? from;
  }
}
