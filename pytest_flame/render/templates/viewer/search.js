// Search by regular expression over the pool of names; a frame matches or it does not, wherever it is called.
function pattern(text) {
  // Small letters match both cases, a capital only itself.
  return new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, "")) ? "u" : "iu");
}

class Search {
  /** Raises SyntaxError where ``text`` is no regular expression. */
  constructor(text, facts) {
    const expression = pattern(text);
    this.frames = new Uint8Array(facts.frames);
    this.functions = 0;
    for (let frame = 0; frame < facts.frames; frame += 1) {
      if (expression.test(facts.name(frame))) {
        this.frames[frame] = 1;
        this.functions += 1;
      }
    }
  }

  /** Matching nodes with a width, and their share of the whole; what matches inside a match counts once. */
  over(tree, column) {
    const nodes = [], width = tree[column];
    let sum = 0, until = 0;
    for (let i = 0; i < tree.size;) {
      if (!width[i]) {
        i = tree.end[i];
        continue;
      }
      if (this.frames[tree.frame[i]]) {
        nodes.push(i);
        if (i >= until) {
          sum += width[i];
          until = tree.end[i];
        }
      }
      i += 1;
    }
    return { nodes, share: tree.totals[column] ? sum / tree.totals[column] : 0 };
  }
}
