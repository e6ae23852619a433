// Numbers and names as people read them; the same rules as units.py and text.py.
const UNITS = [[1e12, "s"], [1e9, "ms"], [1e6, "µs"], [1e3, "ns"], [1, "ps"]];
const MINUS = "−";

function numberText(value, decimals) {
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) ? MINUS + text : text;
}

function signedText(value, decimals) {
  const text = numberText(value, decimals);
  return value > 0 && Number(text) ? `+${text}` : text;
}

function unitOf(ps) {
  const rounded = Math.abs(Number(ps.toPrecision(4)));
  return rounded === 0 ? UNITS[3] : UNITS.find(([scale]) => rounded >= scale) || UNITS[4];
}

function decimalsOf(ps, scale) {
  if (scale === 1 || ps === 0) return 0;
  return Math.abs(ps) / scale < 99.995 ? 2 : 1;
}

function percent(share) {
  return Number.isFinite(share) ? `${numberText(share * 100, Math.abs(share) < 0.9995 ? 1 : 0)} %` : "unknown";
}

function signedPercent(share) {
  return Number.isFinite(share) ? `${signedText(share * 100, Math.abs(share) < 0.9995 ? 1 : 0)} %` : "unknown";
}

const TIME = {
  of(ps) {
    const [scale, unit] = unitOf(ps);
    return `${numberText(ps / scale, decimalsOf(ps, scale))} ${unit}`;
  },
  signed(ps) {
    return ps > 0 ? `+${TIME.of(ps)}` : TIME.of(ps);
  },
  interval(low, high) {
    if (low === null || high === null) return "interval unknown";
    const larger = Math.max(Math.abs(low), Math.abs(high)), [scale, unit] = unitOf(larger), decimals = decimalsOf(larger, scale);
    return `[${signedText(low / scale, decimals)}, ${signedText(high / scale, decimals)}] ${unit}`;
  },
};

/** Plain counts: ``per`` of a cost is one ``noun``. */
function counts({ noun, per }) {
  const text = cost => numberText(cost / per, 0).replace(/\B(?=(\d{3})+$)/g, ",");
  const named = (cost, words) => `${words} ${Math.round(cost / per) === 1 ? noun : `${noun}s`}`;
  return {
    of: cost => named(cost, text(cost)),
    signed: cost => named(cost, (cost > 0 ? "+" : "") + text(cost)),
    interval: (low, high) => `[${text(low)}, ${text(high)}]`,
  };
}

function countText(count) {
  return count.toLocaleString("en");
}

function pValue(p) {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

/** A name in at most ``room`` columns; its tail distinguishes functions. */
function fitName(name, qualname, room) {
  if (name.length <= room) return name;
  const parts = qualname.split(".");
  for (let start = 0; start < parts.length; start += 1) {
    const tail = `…${parts.slice(start).join(".")}`;
    if (tail.length <= room) return tail;
  }
  return room < 4 ? "" : `…${qualname.slice(1 - room)}`;
}
