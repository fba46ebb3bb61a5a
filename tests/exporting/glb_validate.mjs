// What Khronos' validator says of a GLB, as JSON. node glb_validate.mjs VALIDATOR FILE.glb
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const [library, path] = process.argv.slice(2);
const report = await createRequire(import.meta.url)(library).validateBytes(new Uint8Array(readFileSync(path)));
console.log(JSON.stringify(report.issues));
