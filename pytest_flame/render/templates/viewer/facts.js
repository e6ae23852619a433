// What is known about a profile's functions, and about the boxes that represent folded library code, as text.
const HOME_WORDS = {
  project: "project", stdlib: "standard library", installed: "installed package", pytest: "pytest", native: "native", kernel: "kernel",
};

class Facts {
  constructor(profile) {
    this.profile = profile;
    this.amount = new Amount(profile.amount);
    this.forms = new Map(); // by frame, for frames that were drawn
    this.boxes = []; // for folded library code: their frames follow those of the pool
    this.boxOf = new Map();
    this.boxReal = [];
  }

  /** Costs of each function over the whole test. */
  get costsOf() {
    return (this.whole ||= this.profile.tree.functions(this.profile.pool));
  }

  get frames() {
    return this.profile.pool + this.boxes.length;
  }

  /** For each frame, the box it is folded into if its home is among ``homes``, otherwise -1. */
  folded(homes) {
    const { profile } = this;
    return Int32Array.from({ length: profile.pool }, (_, frame) => {
      const home = profile.home(frame);
      if (!homes.has(home)) return -1;
      const name = profile.modules[profile.module[frame]].split(".")[0], key = `${home} ${name}`;
      if (!this.boxOf.has(key)) {
        this.boxOf.set(key, profile.pool + this.boxes.length);
        this.boxes.push({ name: `${name} …`, library: name, home });
        this.boxReal.push(false);
      }
      const box = this.boxOf.get(key);
      if (this.real(frame)) this.boxReal[box - profile.pool] = true;
      return box;
    });
  }

  box(frame) {
    return frame < this.profile.pool ? undefined : this.boxes[frame - this.profile.pool];
  }

  name(frame) {
    return this.box(frame)?.name ?? this.profile.names[frame];
  }

  names() {
    return [...this.profile.names, ...this.boxes.map(box => box.name)];
  }

  /** The frame's name in at most ``room`` columns. */
  fit(frame, room) {
    return fit(this.formsOf(frame), room);
  }

  formsOf(frame) {
    let forms = this.forms.get(frame);
    if (!forms) {
      const box = this.box(frame), name = this.name(frame);
      forms = box ? written([box.name, box.library], 2) : formsOf(name, this.profile.qualnames[frame] || name);
      this.forms.set(frame, forms);
    }
    return forms;
  }

  home(frame) {
    return this.box(frame)?.home ?? this.profile.home(frame);
  }

  tone(frame) {
    return this.box(frame) ? 0 : Number(this.profile.tones[frame]);
  }

  place(frame) {
    return this.box(frame) ? "" : this.profile.place(frame);
  }

  of(frame) {
    return this.profile.functions[frame];
  }

  /** Whether its change is coloured: it is significant, or nothing could be tested. */
  real(frame) {
    if (!this.profile.tested) return this.profile.sides === 2;
    return this.box(frame) ? this.boxReal[frame - this.profile.pool] : (this.of(frame)?.flags & 1) === 1;
  }

  culprit(frame) {
    return (this.of(frame)?.flags & 2) === 2;
  }

  /** Nodes marked as culprits. */
  blamed(tree) {
    return (tree.blamed ||= new Set(this.profile.culprits.length ? culpritNodes(tree, frame => this.culprit(frame)) : []));
  }

  /** Whether its own code changed significantly: only the interval of its self cost can tell. */
  ownReal(frame) {
    const known = this.of(frame);
    if (!this.profile.tested) return this.profile.sides === 2;
    return known !== undefined && (known.self_low > 0 || known.self_high < 0);
  }

  moved(frame) {
    return (this.of(frame)?.flags & 4) === 4;
  }

  /** The change as a share of the test's base cost, which decides its colour. */
  share(change) {
    return changeShare(change, this.profile.base);
  }

  happened(frame) {
    const known = this.of(frame);
    if (!known) return this.box(frame) ? "library code, folded" : "";
    return this.profile.words[known.words];
  }

  /** Rows of name, before, after and change. */
  costs(tree, node) {
    return [
      ["inclusive", tree.base[node], tree.head[node]],
      ["self", tree.baseSelf[node], tree.headSelf[node]],
    ];
  }

  /** What the statistics say, as lines of label and text. */
  statistics(frame) {
    const known = this.of(frame), { amount, profile } = this, lines = [];
    if (known) {
      const change = this.costsOf;
      const whole = change.head[frame] - change.base[frame], own = change.headSelf[frame] - change.baseSelf[frame];
      if (profile.tested) {
        lines.push(["function", `${amount.signed(whole)} ${amount.interval(known.low, known.high)}`]);
        if (known.self_low || known.self_high) lines.push(["its own code", `${amount.signed(own)} ${amount.interval(known.self_low, known.self_high)}`]);
        lines.push(["verdict", `${known.flags & 1 ? this.happened(frame) : "no significant change"}, p ${pValue(known.p)}`]);
        if (known.blind !== null) lines.push(["detectable", amount.signed(known.blind)]);
      }
      lines.push(["calls", known.calls === null ? "not counted" : known.calls.map(countText).join(" → ")]);
    } else if (this.box(frame)) lines.push(["library", `${HOME_WORDS[this.home(frame)]}, folded`]);
    return lines;
  }

  /** One line for screen readers. */
  spoken(tree, node) {
    const { amount, profile } = this, frame = tree.frame[node], name = this.name(frame), level = `level ${tree.depth[node] + 1}`;
    if (profile.sides === 1) return `${name}, ${level}, ${amount.of(tree.head[node])}, ${percent(tree.head[node] / (tree.totals.head || 1))}`;
    const change = tree.head[node] - tree.base[node];
    const real = !profile.tested ? "not tested" : this.real(frame) ? (this.culprit(frame) ? "culprit" : "significant") : "not significant";
    return `${name}, ${level}, ${amount.of(tree.base[node])} → ${amount.of(tree.head[node])}, ${amount.signed(change)}, ${real}`;
  }
}
