// What colours, signs and widths mean in the current view.
function sample(fill, text, kind = "") {
  const swatch = make("i", { class: kind });
  swatch.style.background = fill;
  return make("span", {}, swatch, text);
}

/** Colours side by side, as a gradient with hard steps. */
function steps(fills) {
  return `linear-gradient(to right, ${fills.map((fill, i) => `${fill} ${i * 100 / fills.length}% ${(i + 1) * 100 / fills.length}%`).join(", ")})`;
}

function legendOf(facts, by, column, total) {
  const { profile } = facts, colours = palette(), parts = [];
  if (by === "change") {
    const ramp = make("i", { class: "ramp" }), most = percent(SETTINGS.saturation).replace(".0", "");
    ramp.style.background = steps([-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5].map(step => ofChange(step / 5, colours, 1)));
    parts.push(
      make("span", {}, `${MINUS}${most}`, ramp, `+${most} of ${profile.amount.noun ? "all" : "the test"} before`),
      profile.tested ? sample(colours.grey, "no significant change") : make("span", {}, "not tested"),
      sample(`repeating-linear-gradient(135deg, ${colours.paper} 0 2px, ${colours.blue} 2px 6px)`, "gone"),
      sample(`linear-gradient(to top, ${colours.own_red} 4px, ${colours.pale_red} 4px)`, "own change"),
    );
    if (profile.tested) parts.push(sample(colours.pale_red, "◆ culprit", "outlined"));
  } else if (by === "kind") {
    const homes = new Set(profile.homes);
    parts.push(...Object.keys(HOME_WORDS).filter(home => homes.has(home)).map(home => sample(colours.homes[home], HOME_WORDS[home])));
  } else {
    parts.push(sample(steps(colours.modules), "one tone a module", "tones"), sample(colours.native, "native"), sample(colours.kernel, "kernel"));
  }
  const side = { widest: ", the larger of before and after, for every stack", base: ", before", head: profile.sides === 1 ? "" : ", after" }[column];
  parts.push(make("span", { class: "quiet" }, `Width: ${profile.amount.axis}${side}; all of it is ${facts.amount.of(total)}.`));
  return parts;
}
