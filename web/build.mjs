// Builds mimic/exporting/vendor from the pinned npm packages: what the pages need, small, with licences and hashes.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const out = new URL("../mimic/exporting/vendor/", import.meta.url);
const packages = new URL("node_modules/", import.meta.url);
const read = (path) => readFileSync(new URL(path, packages));
const version = (name) => JSON.parse(read(`${name}/package.json`)).version;

async function bundle(entry, external = []) {
  const result = await build({
    entryPoints: [entry], bundle: true, minify: true, format: "esm", target: "es2022", write: false, external,
    legalComments: "inline", absWorkingDir: new URL(".", import.meta.url).pathname,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

const files = {
  "three.min.js": await bundle("three_parts.js"),
  "mujoco.min.js": await bundle("node_modules/@mujoco/mujoco/mujoco.js", ["module", "node:*", "fs", "path", "url"]),
  "mujoco.wasm.gz": gzipSync(read("@mujoco/mujoco/mujoco.wasm"), { level: 9 }),
  "three.LICENSE.txt": read("three/LICENSE"),
  "mujoco.LICENSE.txt": readFileSync(new URL("../LICENSE", import.meta.url)), // the same licence; npm has no text
};
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const manifest = {
  about: "Built by `make vendor` (web/build.mjs); not written by hand.",
  packages: {
    three: { version: version("three"), licence: "MIT (three.LICENSE.txt)" },
    "@mujoco/mujoco": { version: version("@mujoco/mujoco"), licence: "Apache-2.0 (mujoco.LICENSE.txt)" },
  },
  wasm_sha256: sha256(read("@mujoco/mujoco/mujoco.wasm")),
  files: Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }]),
  ),
};
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const [name, bytes] of Object.entries(files)) writeFileSync(new URL(name, out), bytes);
writeFileSync(new URL("vendor.json", out), JSON.stringify(manifest, null, 1) + "\n");
console.log(JSON.stringify(manifest.files, null, 1));
