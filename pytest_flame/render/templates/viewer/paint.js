// Colours: the palettes, the change scale and the tones are colour.py's, handed over by the page.
const SETTINGS = JSON.parse(document.getElementById("flame-settings").textContent);
const DARK = matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function palette() {
  return SETTINGS.palettes[DARK.matches && !printing ? "dark" : "light"];
}

function mixed(from, to, share) {
  const part = at => Math.round(parseInt(from.slice(at, at + 2), 16) * (1 - share) + parseInt(to.slice(at, at + 2), 16) * share);
  return `rgb(${part(1)},${part(3)},${part(5)})`;
}

function ofChange(share, colours) {
  if (share === 0) return colours.grey;
  const [pale, full] = share > 0 ? [colours.pale_red, colours.red] : [colours.pale_blue, colours.blue];
  return mixed(pale, full, Math.min(Math.round(Math.abs(share) / SETTINGS.saturation * 20) / 20, 1));
}

/** What a box looks like. ``by`` is ``change``, ``module`` or ``kind``. */
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
      const share = Math.round(this.facts.share(tree.head[node] - tree.base[node]) / SETTINGS.saturation * 20) / 20;
      let fill = this.fills.get(share);
      if (fill === undefined) this.fills.set(share, (fill = ofChange(share * SETTINGS.saturation, this.colours)));
      return fill;
    }
    const home = this.facts.home(frame);
    if (this.by === "kind") return this.colours.homes[home];
    if (home === "native" || home === "kernel") return this.colours[home];
    return this.colours.modules[this.facts.tone(frame)];
  }

  /** ``+``, ``−``, ``NEW``, ``GONE`` or ``MOVED``; nothing where nothing is known to have changed. */
  mark(tree, node) {
    const frame = tree.frame[node];
    if (this.by !== "change" || !this.facts.real(frame)) return "";
    if (this.facts.moved(frame)) return "MOVED";
    const base = tree.base[node], head = tree.head[node];
    if (!head) return "GONE";
    if (!base) return "NEW";
    return head > base ? "+" : head < base ? MINUS : "";
  }
}
