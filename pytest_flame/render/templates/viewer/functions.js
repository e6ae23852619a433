// The functions as a table: the same content as the graph, for everyone.
const SHOWN = 50;

class FunctionTable {
  constructor(panel, facts, choose) {
    this.facts = facts;
    this.choose = choose;
    this.body = panel.querySelector("tbody");
    this.summary = panel.querySelector(".rest");
    this.more = panel.querySelector(".more");
    this.heads = [...panel.querySelectorAll("th")];
    this.limit = SHOWN;
    this.sort = facts.profile.sides === 2 ? { key: "change", down: true } : { key: "head", down: true };
    for (const head of this.heads) {
      const button = head.querySelector("button");
      button.addEventListener("click", () => {
        const key = head.dataset.key;
        this.sort = { key, down: this.sort.key === key ? !this.sort.down : key !== "name" && key !== "p" };
        this.fill();
      });
    }
    this.more.addEventListener("click", () => {
      const first = this.body.rows.length;
      this.limit += 500;
      this.fill();
      this.body.rows[first]?.querySelector("button").focus();
    });
    const costs = facts.costsOf, { profile } = facts;
    this.rows = [];
    for (let frame = 0; frame < profile.pool; frame += 1) {
      const base = costs.base[frame], head = costs.head[frame];
      if (base || head) {
        this.rows.push({
          frame, name: profile.names[frame], base, head, change: head - base,
          baseSelf: costs.baseSelf[frame], headSelf: costs.headSelf[frame], changeSelf: costs.headSelf[frame] - costs.baseSelf[frame],
          p: facts.of(frame)?.p ?? 2, happened: facts.real(frame) ? facts.happened(frame) : "",
        });
      }
    }
  }

  /** ``matched`` has one flag per frame, or is null for all. */
  filter(matched) {
    this.matched = matched;
    this.limit = SHOWN;
    this.fill();
  }

  fill() {
    const { key, down } = this.sort, absolute = key.startsWith("change");
    const value = row => (absolute ? Math.abs(row[key]) : row[key]);
    const shown = this.matched ? this.rows.filter(row => this.matched[row.frame]) : [...this.rows];
    shown.sort((a, b) => {
      const order = typeof a[key] === "string" ? (a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0) : value(a) - value(b);
      return (down ? -order : order) || a.frame - b.frame;
    });
    for (const head of this.heads) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    this.body.replaceChildren(...shown.slice(0, this.limit).map(row => this.row(row)));
    const left = shown.length - this.limit;
    this.summary.textContent = `${countText(shown.length)} ${shown.length === 1 ? "function" : "functions"}${this.matched ? " match" : ""}${left > 0 ? `, ${countText(left)} not shown` : ""}`;
    this.more.hidden = left <= 0;
  }

  row(row) {
    const { facts } = this, { amount, profile } = facts, { frame } = row, known = facts.of(frame), real = facts.real(frame);
    const place = facts.place(frame);
    const name = make("td", { class: "name" },
      make("button", { type: "button", class: "link", on: { click: () => this.choose(frame) } }, make("code", {}, row.name)),
      place ? make("span", { class: "place" }, place) : "");
    const cell = (text, below = "", kind = "") => make("td", { class: `num ${kind}` }, text, below ? make("small", {}, below) : "");
    if (profile.sides === 1) return make("tr", {}, name, cell(amount.of(row.head), percent(row.head / profile.head)), cell(amount.of(row.headSelf), percent(row.headSelf / profile.head)));
    const interval = known && profile.tested ? amount.interval(known.low, known.high) : "";
    const own = known && profile.tested && (known.self_low || known.self_high) ? amount.interval(known.self_low, known.self_high) : "";
    return make("tr", { class: facts.culprit(frame) ? "culprit" : "" }, name,
      make("td", { class: direction(row.change, real) }, real ? facts.happened(frame) : "not significant"),
      cell(amount.of(row.base)), cell(amount.of(row.head)), cell(amount.signed(row.change), interval, direction(row.change, real)),
      cell(amount.of(row.baseSelf)), cell(amount.of(row.headSelf)), cell(amount.signed(row.changeSelf), own, direction(row.changeSelf, facts.ownReal(frame))),
      profile.tested ? cell(known ? pValue(known.p) : "") : "",
    );
  }
}
