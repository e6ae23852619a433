// Trees of calls as columns, the union of both sides: callers before callees, so that a subtree is a range, siblings in
// the order of the pool. layout.py's Tree.

/** Callers of nodes in depth-first order; -1 for a root. */
function parentsOf(depth) {
  const parent = new Int32Array(depth.length), open = [-1];
  for (let i = 0; i < depth.length; i += 1) {
    parent[i] = open[depth[i]];
    open[depth[i] + 1] = i;
  }
  return parent;
}

class Tree {
  /** ``costs`` are columns: ``baseSelf`` and ``headSelf`` of each node alone; ``base``, ``head`` and ``widest`` of its subtree. */
  constructor(frame, parent, costs) {
    const n = frame.length, depth = new Int32Array(n), end = new Int32Array(n), totals = { base: 0, head: 0, widest: 0 };
    let levels = 0;
    for (let i = 0; i < n; i += 1) {
      const p = parent[i];
      end[i] = i + 1;
      if (p >= 0) depth[i] = depth[p] + 1;
      else for (const column in totals) totals[column] += costs[column][i];
      if (depth[i] >= levels) levels = depth[i] + 1;
    }
    for (let i = n - 1; i >= 0; i -= 1) if (parent[i] >= 0 && end[parent[i]] < end[i]) end[parent[i]] = end[i];
    Object.assign(this, { size: n, frame, parent, depth, end, levels, ...costs, totals, placed: {} });
  }

  /** The tree from each node's self cost; a subtree's width is the sum of the larger side of each of its nodes. */
  static summed(frame, parent, baseSelf, headSelf) {
    const base = Float64Array.from(baseSelf), head = Float64Array.from(headSelf), widest = new Float64Array(frame.length);
    for (let i = frame.length - 1; i >= 0; i -= 1) {
      widest[i] += Math.max(baseSelf[i], headSelf[i]);
      const p = parent[i];
      if (p < 0) continue;
      base[p] += base[i];
      head[p] += head[i];
      widest[p] += widest[i];
    }
    return new Tree(frame, parent, { baseSelf, headSelf, base, head, widest });
  }

  /** Left edge of each node where widths are ``base``, ``head`` or ``widest``. */
  places(column) {
    if (this.placed[column]) return this.placed[column];
    const x = new Float64Array(this.size), next = new Float64Array(this.size), width = this[column];
    let root = 0;
    for (let i = 0; i < this.size; i += 1) {
      const p = this.parent[i];
      x[i] = next[i] = p < 0 ? root : next[p];
      if (p < 0) root += width[i];
      else next[p] += width[i];
    }
    return (this.placed[column] = x);
  }

  /** Nodes of each depth, left to right. */
  rows() {
    if (this.byDepth) return this.byDepth;
    const count = new Int32Array(this.levels);
    for (let i = 0; i < this.size; i += 1) count[this.depth[i]] += 1;
    const rows = [...count].map(length => new Int32Array(length)), next = new Int32Array(this.levels);
    for (let i = 0; i < this.size; i += 1) rows[this.depth[i]][next[this.depth[i]]++] = i;
    return (this.byDepth = rows);
  }

  /** Nodes from the root to this one. */
  line(node) {
    const found = [];
    for (let i = node; i >= 0; i = this.parent[i]) found.push(i);
    return found.reverse();
  }

  /** Frames from the root to a node. */
  path(node) {
    return this.line(node).map(i => this.frame[i]);
  }

  /** A node's callees, or the roots. */
  *children(node) {
    for (let i = node < 0 ? 0 : node + 1, stop = node < 0 ? this.size : this.end[node]; i < stop; i = this.end[i]) yield i;
  }

  /** The node that a path of frames leads to; -1 if there is none. */
  find(path) {
    let at = -1;
    for (const frame of path) {
      let next = -1;
      for (const child of this.children(at)) if (this.frame[child] === frame) { next = child; break; }
      if (next < 0) return -1;
      at = next;
    }
    return at;
  }

  /** Self and inclusive cost by frame; for a recursive function the outermost call counts. */
  functions(pool) {
    const [baseSelf, headSelf, base, head] = [0, 0, 0, 0].map(() => new Float64Array(pool)), until = new Int32Array(pool);
    for (let i = 0; i < this.size; i += 1) {
      const f = this.frame[i];
      baseSelf[f] += this.baseSelf[i];
      headSelf[f] += this.headSelf[i];
      if (i < until[f]) continue;
      until[f] = this.end[i];
      base[f] += this.base[i];
      head[f] += this.head[i];
    }
    return { baseSelf, headSelf, base, head };
  }

  /** Calls of ``frame`` that are not inside another call of it. */
  outermost(frame) {
    const found = [];
    for (let i = 0; i < this.size;) {
      if (this.frame[i] === frame) {
        found.push(i);
        i = this.end[i];
      } else i += 1;
    }
    return found;
  }
}
