/**
 * Which commands give this Linux a Vulkan driver that Dawn accepts. Pure: text in, commands out.
 *
 * Mesa's lavapipe computes on the CPU. The one of Debian 12 (Mesa 22.3) lacks
 * shaderUniform*ArrayDynamicIndexing, which Dawn requires; Debian's own backports have a newer one.
 * Their address is the one this system already uses, since only the suite differs.
 */

const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1"];
const QUIET = ["env", "DEBIAN_FRONTEND=noninteractive"];
const WAIT = ["-o", "DPkg::Lock::Timeout=300"];
const TOO_OLD = ["bookworm"];
export const BACKPORTS_FILE = "/etc/apt/sources.list.d/masa-webgpu-backports.sources";

/** `/etc/os-release` as an object. */
export function parseOsRelease(text) {
  const fields = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z_]+)=(["']?)(.*)\2$/.exec(line.trim());
    if (match) fields[match[1]] = match[3];
  }
  return fields;
}

/** The enabled entries of an apt source file: stanzas (deb822) if `name` ends in `.sources`, else one a line. */
export function parseSources(name, text) {
  return name.endsWith(".sources") ? parseStanzas(text) : parseLines(text);
}

// sources.list(5), DEB822-STYLE FORMAT.
function parseStanzas(text) {
  const entries = [];
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const stanza of lines.join("\n").split(/\n\s*\n/)) {
    const fields = {};
    let last;
    for (const line of stanza.split("\n")) {
      const field = /^([\w-]+):\s*(.*)$/.exec(line);
      if (field) {
        last = field[1].toLowerCase();
        fields[last] = { name: field[1], value: field[2].trim() };
      } else if (last && /^\s/.test(line)) {
        fields[last].value += `\n${line}`; // a key may stand in the file itself, over many lines
      }
    }
    if (fields.enabled && /^no$/i.test(fields.enabled.value)) continue;
    const words = (key) => (fields[key] ? fields[key].value.split(/\s+/).filter(Boolean) : []);
    const { types, uris, suites, components, enabled, ...rest } = fields;
    entries.push({
      types: words("types"),
      uris: words("uris"),
      suites: words("suites"),
      components: words("components"),
      options: Object.values(rest),
    });
  }
  return entries.filter((entry) => entry.uris.length > 0);
}

// sources.list(5), ONE-LINE-STYLE FORMAT: deb [ option=value … ] uri suite component …
function parseLines(text) {
  const plural = { arch: "Architectures", lang: "Languages", target: "Targets" };
  const title = (key) => plural[key] || key.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());
  const entries = [];
  for (const line of text.split("\n")) {
    const match = /^\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) continue;
    const [, type, options = "", uri, suite, components] = match;
    entries.push({
      types: [type],
      uris: [uri],
      suites: [suite],
      components: components.split(/\s+/).filter(Boolean),
      options: options
        .split(/\s+/)
        .filter((option) => option.includes("="))
        .map((option) => {
          const [key, value] = option.split(/=(.*)/);
          return { name: title(key), value: value.replace(/,/g, " ") };
        }),
    });
  }
  return entries;
}

/** The text of a source file for `<codename>-backports`; empty where it is configured already, undefined where no entry leads to it. */
export function backportsSource(entries, codename) {
  const binary = entries.filter((entry) => entry.types.includes("deb"));
  const backports = `${codename}-backports`;
  if (binary.some((entry) => entry.suites.includes(backports))) return "";
  const main = binary.find((entry) => entry.suites.includes(codename) && entry.components.includes("main"));
  if (!main) return undefined;
  const fields = [
    ["Types", "deb"],
    ["URIs", main.uris.join(" ")],
    ["Suites", backports],
    ["Components", "main"],
    ...main.options.map(({ name, value }) => [name, value]),
  ];
  return fields.map(([name, value]) => `${name}: ${value}\n`.replace(": \n", ":\n")).join("");
}

/**
 * The steps that install the driver: each `{ command: string[], input?: string, mayFail?: boolean }`, to run as root.
 * Throws an Error that says what to install by hand where this is not a Debian or Ubuntu.
 */
export function driverSteps(osRelease, entries) {
  const { ID = "linux", ID_LIKE = "", VERSION_CODENAME = "", PRETTY_NAME = ID } = osRelease;
  const family = `${ID} ${ID_LIKE}`.split(/\s+/);
  if (!family.includes("debian") && !family.includes("ubuntu")) throw new Error(byHand(family, PRETTY_NAME));

  const old = TOO_OLD.includes(VERSION_CODENAME);
  const source = old ? backportsSource(entries, VERSION_CODENAME) : "";
  if (source === undefined)
    throw new Error(
      `${PRETTY_NAME} needs ${PACKAGES.join(" and ")} from ${VERSION_CODENAME}-backports, but no apt source ` +
        `offers ${VERSION_CODENAME} main: add the backports to /etc/apt/sources.list.d and run this again`,
    );
  const from = old ? ["-t", `${VERSION_CODENAME}-backports`] : [];
  return [...(source ? [{ command: ["tee", BACKPORTS_FILE], input: source }] : []), ...install(PACKAGES, from)];
}

function install(packages, from = []) {
  return [
    // A broken third-party source must not stop the install: that step fails by itself if it lacks something.
    { command: ["apt-get", "update"], mayFail: true },
    { command: [...QUIET, "apt-get", "install", "-y", "--no-install-recommends", ...WAIT, ...from, ...packages] },
  ];
}

/**
 * The steps that install a browser for the tests of the page, as `driverSteps` has them. Throws an Error that says what to do
 * by hand where this is no Debian: Ubuntu's package is but a pointer to a snap, which containers cannot run.
 */
export function browserSteps({ ID = "linux", PRETTY_NAME = ID }) {
  if (ID !== "debian")
    throw new Error(`install Chromium, Google Chrome or Edge on ${PRETTY_NAME}, or name one in the variable CHROME`);
  return install(["chromium"]);
}

/** The steps that install Open MPI, as `driverSteps` has them. Throws an Error where this is not a Debian or Ubuntu. */
export function mpiSteps({ ID = "linux", ID_LIKE = "", PRETTY_NAME = ID }) {
  const family = `${ID} ${ID_LIKE}`.split(/\s+/);
  if (!family.includes("debian") && !family.includes("ubuntu"))
    throw new Error(`install Open MPI or MPICH on ${PRETTY_NAME}`);
  return install(["openmpi-bin", "libopenmpi-dev"]);
}

function byHand(family, name) {
  const known = {
    fedora: "dnf install mesa-vulkan-drivers vulkan-loader",
    rhel: "dnf install mesa-vulkan-drivers vulkan-loader",
    suse: "zypper install libvulkan_lvp libvulkan1",
    arch: "pacman -S vulkan-swrast vulkan-icd-loader",
    alpine: "apk add mesa-vulkan-swrast vulkan-loader",
  };
  const id = family.find((one) => one in known);
  const how = id ? `: ${known[id]}` : ", usually a package of Mesa's Vulkan drivers and one of the Vulkan loader";
  return `install your GPU's Vulkan driver, or Mesa's lavapipe, which computes on the CPU, on ${name}${how}`;
}

/** A step as a person would type it. */
export function shellText({ command, input }, prefix = "") {
  const line = `${prefix}${command.join(" ")}`;
  return input === undefined ? line : `${line} <<'EOF'\n${input}EOF`;
}
