// What is shown, as the page's address: it can be sent, and the back button works.
const DEFAULTS = {
  view: "difference", shape: "flame", inverted: "", fold: "", colour: "", at: "", find: "", tab: "functions", of: "",
};

/** ``#test-3&view=after&at=frame;frame`` → the test's anchor and the settings that differ from the defaults. */
function readAddress() {
  const [anchor, ...pairs] = location.hash.slice(1).split("&"), state = { ...DEFAULTS };
  for (const pair of pairs) {
    const at = pair.indexOf("="), key = pair.slice(0, at);
    if (at > 0 && Object.hasOwn(DEFAULTS, key)) state[key] = pair.slice(at + 1);
  }
  return { anchor, state };
}

function address(anchor, state) {
  const pairs = Object.keys(DEFAULTS).filter(key => state[key] !== DEFAULTS[key]).map(key => `${key}=${state[key]}`);
  return `#${[anchor, ...pairs].join("&")}`;
}

function encodePath(names) {
  return names.map(name => encodeURIComponent(name).replace(/[()'*!]/g, c => `%${c.charCodeAt(0).toString(16)}`)).join(";");
}

/** Null if it is not what ``encodePath`` writes. */
function decodePath(text) {
  try {
    return text === "" ? [] : text.split(";").map(decodeURIComponent);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}
