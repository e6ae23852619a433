// Other trees of the same costs: library code folded, callers below callees, one function's callers and callees.
/** Builds a tree whose nodes are looked up by caller and frame, and sorts it at the end. */
class Grower {
  constructor(frames) {
    this.frames = frames;
    this.known = new Map();
    this.frame = [];
    this.parent = [];
    this.base = [];
    this.head = [];
  }

  child(parent, frame) {
    const key = (parent + 1) * this.frames + frame;
    let node = this.known.get(key);
    if (node === undefined) {
      node = this.frame.length;
      this.known.set(key, node);
      this.frame.push(frame);
      this.parent.push(parent);
      this.base.push(0);
      this.head.push(0);
    }
    return node;
  }

  add(node, base, head) {
    this.base[node] += base;
    this.head[node] += head;
  }

  tree() {
    const n = this.frame.length;
    const byFrame = sortedBy(Int32Array.from({ length: n }, (_, i) => i), i => this.frame[i], this.frames);
    const siblings = sortedBy(byFrame, i => this.parent[i] + 1, n + 1);
    const first = new Int32Array(n + 2);
    for (let i = 0; i < n; i += 1) first[this.parent[i] + 2] += 1;
    for (let i = 1; i < n + 2; i += 1) first[i] += first[i - 1];
    const place = new Int32Array(n), order = new Int32Array(n), waiting = [];
    const wait = node => { for (let i = first[node + 2] - 1; i >= first[node + 1]; i -= 1) waiting.push(siblings[i]); };
    wait(-1);
    for (let at = 0; waiting.length; at += 1) {
      const node = waiting.pop();
      order[at] = node;
      place[node] = at;
      wait(node);
    }
    const parent = Int32Array.from(order, node => (this.parent[node] < 0 ? -1 : place[this.parent[node]]));
    return Tree.summed(
      Int32Array.from(order, node => this.frame[node]), parent,
      Float64Array.from(order, node => this.base[node]), Float64Array.from(order, node => this.head[node]),
    );
  }
}

/** Stable counting sort of indexes by a whole number below ``limit``. */
function sortedBy(indexes, key, limit) {
  const next = new Int32Array(limit + 1), sorted = new Int32Array(indexes.length);
  for (const i of indexes) next[key(i) + 1] += 1;
  for (let k = 1; k <= limit; k += 1) next[k] += next[k - 1];
  for (const i of indexes) sorted[next[key(i)]++] = i;
  return sorted;
}

/** Library code as one box per package: ``folded[frame]`` is the box's frame in the pool, or -1 to keep the frame. */
function folding(tree, folded, frames) {
  const grower = new Grower(frames), at = new Int32Array(tree.size);
  for (let i = 0; i < tree.size; i += 1) {
    const p = tree.parent[i], f = tree.frame[i], caller = p < 0 ? -1 : at[p];
    const inside = p >= 0 && folded[f] >= 0 && folded[tree.frame[p]] >= 0;
    at[i] = p >= 0 && folded[f] >= 0 ? (inside && tree.parent[p] >= 0 ? caller : grower.child(caller, folded[f])) : grower.child(caller, f);
    grower.add(at[i], tree.baseSelf[i], tree.headSelf[i]);
  }
  return grower.tree();
}

/** Callers below callees: from the functions that spend the time, or from one function, up to the roots.
 *
 * ``starts`` are nodes and ``cost`` the columns that weigh them. Branches below ``least`` are not followed
 * further; their cost stays where they end, so that the sums are right. */
function inverted(tree, starts, cost, least, frames) {
  const grower = new Grower(frames);
  let level = new Map();
  const enter = (groups, parent, node, start) => {
    const inside = grower.child(parent, tree.frame[node]);
    let group = groups.get(inside);
    if (!group) groups.set(inside, (group = { starts: [], nodes: [], weight: 0 }));
    group.starts.push(start);
    group.nodes.push(node);
    group.weight += Math.max(cost.base[start], cost.head[start]);
  };
  for (const start of starts) enter(level, -1, start, start);
  let cut = 0;
  while (level.size) {
    const next = new Map();
    for (const [inside, { starts: from, nodes, weight }] of level) {
      const stop = weight < least;
      if (stop) cut += 1;
      for (let k = 0; k < nodes.length; k += 1) {
        const caller = tree.parent[nodes[k]];
        if (caller < 0 || stop) grower.add(inside, cost.base[from[k]], cost.head[from[k]]);
        else enter(next, inside, caller, from[k]);
      }
    }
    level = next;
  }
  return { tree: grower.tree(), cut };
}

function bottomUp(tree, frames) {
  const starts = [];
  for (let i = 0; i < tree.size; i += 1) if (tree.baseSelf[i] || tree.headSelf[i]) starts.push(i);
  return inverted(tree, starts, { base: tree.baseSelf, head: tree.headSelf }, tree.totals.widest * 2e-5, frames);
}

function callersOf(tree, frame, frames) {
  const starts = tree.outermost(frame);
  return inverted(tree, starts, { base: tree.base, head: tree.head }, tree.totals.widest * 2e-5, frames).tree;
}

function calleesOf(tree, frame, frames) {
  const grower = new Grower(frames), at = new Int32Array(tree.size);
  for (const start of tree.outermost(frame)) {
    for (let i = start; i < tree.end[start]; i += 1) {
      at[i] = grower.child(i === start ? -1 : at[tree.parent[i]], tree.frame[i]);
      grower.add(at[i], tree.baseSelf[i], tree.headSelf[i]);
    }
  }
  return grower.tree();
}
