// Search by regular expression over the names of functions; whether one matches does not depend on where it is called.
class Search {
  /** ``names`` are those of all frames. Raises SyntaxError if ``text`` is not a regular expression. */
  constructor(text, names) {
    // Lower-case letters match both cases, capitals only themselves.
    const escaped = text.replace(/\\./g, ""), pattern = new RegExp(text, escaped === escaped.toLowerCase() ? "iu" : "u");
    this.frames = Uint8Array.from(names, name => (pattern.test(name) ? 1 : 0));
    this.functions = this.frames.reduce((sum, found) => sum + found, 0);
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
