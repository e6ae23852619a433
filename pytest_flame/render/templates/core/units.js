// Numbers as people read them: the rules of units.py.
const MINUS = "−";
const UNITS = [[1e12, "s"], [1e9, "ms"], [1e6, "µs"], [1e3, "ns"], [1, "ps"]];

/** With this many decimals; halves are rounded to the even digit, as in Python. */
function fixed(size, decimals) {
  const text = size.toFixed(decimals);
  const half = (size * 2 ** (decimals + 1)) % 2 === 1;
  return half && text.charCodeAt(text.length - 1) % 2 ? (size * (1 - Number.EPSILON)).toFixed(decimals) : text;
}

function grouped(digits) {
  const [whole, ...decimals] = digits.split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...decimals].join(".");
}

function countText(count) {
  return grouped(String(count));
}

function signOf(value, digits, plus) {
  return !Number(digits) ? "" : value < 0 ? MINUS : plus;
}

function share(value, plus) {
  if (!Number.isFinite(value)) return "unknown";
  const digits = fixed(Math.abs(value * 100), Math.abs(value) < 0.9995 ? 1 : 0);
  return `${signOf(value, digits, plus)}${digits} %`;
}

const percent = value => share(value, "");
const signedPercent = value => share(value, "+");

function pValue(p) {
  return p < 0.001 ? "< 0.001" : fixed(p, 3);
}

/** The unit of costs: picoseconds, or, with a ``noun``, a number of these, ``per`` units of cost each. */
class Amount {
  constructor({ noun, per }) {
    this.noun = noun;
    this.per = per;
  }

  of(cost) {
    if (!Number.isFinite(cost)) return "unknown";
    const [scale, unit] = this.unit(cost);
    return `${this.number(cost / scale, this.decimals(cost, scale))} ${unit}`;
  }

  signed(cost) {
    return cost > 0 ? `+${this.of(cost)}` : this.of(cost);
  }

  /** ``2.62 → 4.23 ms``: both in the larger one's unit, unless the smaller one would then have no digits. */
  change(base, head) {
    const larger = Math.max(base, head), smaller = Math.min(base, head), [scale, unit] = this.unit(larger);
    if (!Number.isFinite(larger) || (smaller && smaller < scale / 10)) {
      const one = this.of(base), other = this.of(head), at = one.lastIndexOf(" ");
      return at > 0 && other.endsWith(one.slice(at)) ? `${one.slice(0, at)} → ${other}` : `${one} → ${other}`;
    }
    const decimals = this.decimals(larger, scale);
    return `${this.number(base / scale, decimals)} → ${this.number(head / scale, decimals)} ${unit}`;
  }

  /** ``[+1.50, +1.74] ms``. */
  interval(low, high) {
    if (!Number.isFinite(low) || !Number.isFinite(high)) return "interval unknown";
    const larger = Math.max(Math.abs(low), Math.abs(high)), [scale, unit] = this.unit(larger);
    const ends = [low, high].map(end => this.number(end / scale, this.decimals(larger, scale), "+"));
    return `[${ends.join(", ")}] ${unit}`;
  }

  unit(cost) {
    if (this.noun) return [this.per, Math.abs(cost) === this.per ? this.noun : `${this.noun}s`];
    if (cost === 0 || !Number.isFinite(cost)) return UNITS[3];
    const rounded = Math.abs(Number(cost.toPrecision(4))); // 999.96 µs is 1.00 ms
    return UNITS.find(([scale]) => rounded >= scale) || UNITS[4];
  }

  decimals(cost, scale) {
    const size = Math.abs(cost);
    if (scale === 1 || cost === 0 || (this.noun && size >= scale)) return 0;
    return size / scale < 99.995 ? 2 : 1;
  }

  number(value, decimals, plus = "") {
    const digits = fixed(Math.abs(value), decimals);
    return signOf(value, digits, plus) + (this.noun ? grouped(digits) : digits);
  }
}
