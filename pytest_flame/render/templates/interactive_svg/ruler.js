// Round amounts below the graph: the rules of units.py's ticks.

/** From 0 to ``whole``, in at most about ``most`` steps: [cost, text]. */
function ticks(amount, whole, most = 8) {
  if (!(whole > 0)) return [];
  const [scale, unit] = amount.unit(whole), least = whole / scale / most;
  const power = 10 ** Math.floor(Math.log10(least));
  const size = [1, 2, 5, 10].map(factor => factor * power).find(one => one >= least * (1 - 1e-9));
  const found = [];
  for (let i = 0; i * size <= whole / scale * (1 + 1e-9); i++) {
    const cost = i * size * scale, digits = String(Number((i * size).toPrecision(6)));
    found.push([cost, !i ? "0" : amount.noun ? `${grouped(digits)} ${amount.unit(cost)[1]}` : `${digits} ${unit}`]);
  }
  return found;
}
