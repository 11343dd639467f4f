import { expect } from "chai";

/** scripts/ runs before anything is compiled, so it is plain JavaScript; these are the types of what is tested here. */
interface Entry {
  types: string[];
  uris: string[];
  suites: string[];
  components: string[];
  options: { name: string; value: string }[];
}
interface Step {
  command: string[];
  input?: string;
}
interface Apt {
  parseOsRelease(text: string): Record<string, string>;
  parseSources(name: string, text: string): Entry[];
  backportsSource(entries: Entry[], codename: string): string | undefined;
  driverSteps(osRelease: Record<string, string>, entries: Entry[]): Step[];
  browserSteps(osRelease: Record<string, string>): Step[];
  mpiSteps(osRelease: Record<string, string>): Step[];
  shellText(step: Step, prefix?: string): string;
}
const apt = (await import(new URL("../../../scripts/apt.mjs", import.meta.url).href)) as Apt;

const ARCHIVE = "http://archive.example/debian";
const BOOKWORM_DEB822 = `Types: deb
# a comment
URIs: ${ARCHIVE}
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://archive.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;
const BOOKWORM_LINES = `# deb cdrom:[Debian 12]/ bookworm main
deb-src ${ARCHIVE} bookworm main
deb [arch=amd64,i386 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${ARCHIVE} bookworm main contrib # comment
deb http://archive.example/debian-security bookworm-security main
`;
const TRIXIE_DEB822 = BOOKWORM_DEB822.replaceAll("bookworm", "trixie");
const NOBLE_DEB822 = `Types: deb
URIs: http://archive.example/ubuntu
Suites: noble noble-updates noble-backports
Components: main universe restricted multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
`;
const BOOKWORM = { ID: "debian", VERSION_CODENAME: "bookworm", PRETTY_NAME: "Debian GNU/Linux 12 (bookworm)" };
const TRIXIE = { ID: "debian", VERSION_CODENAME: "trixie", PRETTY_NAME: "Debian GNU/Linux 13 (trixie)" };
const NOBLE = { ID: "ubuntu", ID_LIKE: "debian", VERSION_CODENAME: "noble", PRETTY_NAME: "Ubuntu 24.04 LTS" };

const BACKPORTS = `Types: deb
URIs: ${ARCHIVE}
Suites: bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`;
const programs = (steps: Step[]) =>
  steps.map(({ command }) => command.filter((word) => /^(tee|apt-get)$/.test(word))[0]);
const install = (steps: Step[]) => steps.at(-1)?.command.join(" ") ?? "";

describe("setup: apt", () => {
  it("reads os-release with and without quotes", () => {
    const text = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_CODENAME=bookworm\n#ID=x\nID=debian\n';
    expect(apt.parseOsRelease(text)).to.deep.equal(BOOKWORM);
  });

  it("reads deb822 sources", () => {
    const [main, security] = apt.parseSources("debian.sources", BOOKWORM_DEB822);
    expect(main?.suites).to.deep.equal(["bookworm", "bookworm-updates"]);
    expect(main?.uris).to.deep.equal([ARCHIVE]);
    expect(main?.options).to.deep.equal([
      { name: "Signed-By", value: "/usr/share/keyrings/debian-archive-keyring.gpg" },
    ]);
    expect(security?.suites).to.deep.equal(["bookworm-security"]);
  });

  it("reads one-line sources", () => {
    const entries = apt.parseSources("sources.list", BOOKWORM_LINES);
    expect(entries.map((entry) => entry.types[0])).to.deep.equal(["deb-src", "deb", "deb"]);
    expect(entries[1]?.components).to.deep.equal(["main", "contrib"]);
    expect(entries[1]?.options[0]).to.deep.equal({ name: "Architectures", value: "amd64 i386" });
  });

  it("skips disabled stanzas and keeps a key written into the file", () => {
    const key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY865UxYJKwYB\n -----END PGP PUBLIC KEY BLOCK-----";
    const text = `Enabled: no\n${BOOKWORM_DEB822.replace(/Signed-By:.*/, `Signed-By:${key}`)}`;
    const enabled = apt.parseSources("debian.sources", text.replace("Enabled: no\n", "Enabled: yes\n"));
    expect(apt.parseSources("debian.sources", text)).to.have.length(1);
    expect(apt.backportsSource(enabled, "bookworm")).to.equal(BACKPORTS.replace(/Signed-By:.*/, `Signed-By:${key}`));
  });

  it("derives the backports of Debian 12 from deb822 sources", () => {
    const steps = apt.driverSteps(BOOKWORM, apt.parseSources("debian.sources", BOOKWORM_DEB822));
    expect(programs(steps)).to.deep.equal(["tee", "apt-get", "apt-get"]);
    expect(steps[0]?.input).to.equal(BACKPORTS);
    expect(install(steps)).to.include("--no-install-recommends");
    expect(install(steps)).to.match(/ -t bookworm-backports mesa-vulkan-drivers libvulkan1$/);
  });

  it("derives the backports of Debian 12 from one-line sources", () => {
    const steps = apt.driverSteps(BOOKWORM, apt.parseSources("sources.list", BOOKWORM_LINES));
    expect(steps[0]?.input).to.equal(BACKPORTS.replace("Signed-By", "Architectures: amd64 i386\nSigned-By"));
  });

  it("adds no source where the backports are configured already", () => {
    const text = BOOKWORM_DEB822.replace("bookworm-updates", "bookworm-updates bookworm-backports");
    const steps = apt.driverSteps(BOOKWORM, apt.parseSources("debian.sources", text));
    expect(programs(steps)).to.deep.equal(["apt-get", "apt-get"]);
    expect(install(steps)).to.include(" -t bookworm-backports ");
  });

  it("takes the stock packages on Debian 13 and Ubuntu 24.04", () => {
    for (const [release, text] of [
      [TRIXIE, TRIXIE_DEB822],
      [NOBLE, NOBLE_DEB822],
    ] as const) {
      const steps = apt.driverSteps(release, apt.parseSources("x.sources", text));
      expect(programs(steps)).to.deep.equal(["apt-get", "apt-get"]);
      expect(install(steps))
        .to.match(/ mesa-vulkan-drivers libvulkan1$/)
        .and.not.include(" -t ");
    }
  });

  it("installs a browser on Debian, and says what to do elsewhere", () => {
    expect(install(apt.browserSteps(BOOKWORM))).to.match(/ chromium$/);
    expect(() => apt.browserSteps(NOBLE)).to.throw(/Ubuntu 24\.04 LTS, or name one in the variable CHROME/);
  });

  it("installs Open MPI on Debian and Ubuntu, and says what to do elsewhere", () => {
    for (const release of [BOOKWORM, NOBLE])
      expect(install(apt.mpiSteps(release))).to.match(/ openmpi-bin libopenmpi-dev$/);
    expect(() => apt.mpiSteps({ ID: "arch" })).to.throw(/install Open MPI or MPICH/);
  });

  it("says what is missing where no source leads to the backports", () => {
    expect(() => apt.driverSteps(BOOKWORM, [])).to.throw(/no apt source offers bookworm main/);
  });

  it("names the packages on other Linux systems", () => {
    const run = (release: Record<string, string>) => () => apt.driverSteps(release, []);
    expect(run({ ID: "fedora" })).to.throw(/dnf install mesa-vulkan-drivers/);
    expect(run({ ID: "rocky", ID_LIKE: "rhel centos fedora" })).to.throw(/dnf install/);
    expect(run({ ID: "arch" })).to.throw(/pacman -S vulkan-swrast/);
    expect(run({ ID: "alpine" })).to.throw(/apk add mesa-vulkan-swrast/);
    expect(run({ ID: "void" })).to.throw(/lavapipe/);
  });

  it("prints a step so that it can be pasted", () => {
    const step = { command: ["tee", "/etc/x"], input: "a\nb\n" };
    expect(apt.shellText(step, "sudo ")).to.equal("sudo tee /etc/x <<'EOF'\na\nb\nEOF");
  });
});
