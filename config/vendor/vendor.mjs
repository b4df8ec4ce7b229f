// Copies the browser libraries from node_modules to where they are served (or, for axe, tested with), with their licences,
// and writes the sha384 of every copied file to static/vendor/manifest.json. Both are committed; a test recomputes the hashes.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const version = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"))).version;

const LIBRARIES = [
  { name: "htmx.org", into: "static/vendor/htmx", files: ["dist/htmx.min.js"] },
  { name: "uplot", into: "static/vendor/uplot", files: ["dist/uPlot.iife.min.js", "dist/uPlot.min.css"] },
  {
    name: "@fontsource-variable/inter",
    into: "static/vendor/inter",
    files: ["files/inter-latin-wght-normal.woff2", "files/inter-latin-ext-wght-normal.woff2"],
  },
  { name: "axe-core", into: "tests/e2e/vendor/axe", files: ["axe.min.js"] },
];

rmSync(join(root, "static/vendor"), { recursive: true, force: true });
rmSync(join(root, "tests/e2e/vendor"), { recursive: true, force: true });

const manifest = {};
for (const { name, into, files } of LIBRARIES) {
  const folder = `${into}-${version(name)}`;
  mkdirSync(join(root, folder), { recursive: true });
  for (const file of [...files, "LICENSE"]) {
    const target = `${folder}/${file.split("/").pop()}`;
    cpSync(join(here, "node_modules", name, file), join(root, target));
    manifest[target] = "sha384-" + createHash("sha384").update(readFileSync(join(root, target))).digest("base64");
  }
}
writeFileSync(join(root, "static/vendor/manifest.json"), JSON.stringify(manifest, Object.keys(manifest).sort(), 2) + "\n");
