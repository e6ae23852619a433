// Colours: the palettes, the change scale and the tones come from colour.py, in the page's data.
const SETTINGS = JSON.parse(document.getElementById("flame-settings").textContent);
const DARK = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function palette() {
  return SETTINGS.palettes[DARK.matches && !printing ? "dark" : "light"];
}

/** The appearance of a box. ``by`` is ``change``, ``module`` or ``kind``. */
class Painter {
  constructor(profile, by, facts) {
    this.profile = profile;
    this.by = by;
    this.facts = facts;
    this.colours = palette();
    this.fills = new Map();
  }

  fill(tree, node) {
    const frame = tree.frame[node];
    if (this.by === "change") {
      if (!this.facts.real(frame)) return this.colours.grey;
      // In steps, so that few colours are mixed.
      const step = Math.round(this.facts.share(tree.head[node] - tree.base[node]) / SETTINGS.saturation * 20) / 20;
      let fill = this.fills.get(step);
      if (fill === undefined) this.fills.set(step, (fill = ofChange(step, this.colours, 1)));
      return fill;
    }
    const home = this.facts.home(frame);
    if (this.by === "kind") return this.colours.homes[home];
    if (home === "native" || home === "kernel") return this.colours[home];
    return this.colours.modules[this.facts.tone(frame)];
  }

  /** ``+``, ``−``, ``NEW``, ``GONE`` or ``MOVED``; nothing if no change is known. */
  mark(tree, node) {
    const frame = tree.frame[node];
    if (this.by !== "change" || !this.facts.real(frame)) return "";
    return markOf(tree, node, this.facts.moved(frame));
  }
}
