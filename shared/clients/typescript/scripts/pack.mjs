// Fails where the package would contain something else than it should. It packs as somebody does who has built nothing yet.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--foreground-scripts=false"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
const names = files.map((file) => file.path);
const wrong = names.filter((name) => !/^(package\.json|README\.md|dist\/[\w./-]+\.(js|js\.map|d\.ts))$/.test(name));
const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
const missing = Object.values(exports)
  .flatMap(Object.values)
  .map((name) => name.slice(2))
  .filter((name) => !names.includes(name) || !existsSync(name));
console.log(`the package has ${names.length} files, ${files.reduce((sum, file) => sum + file.size, 0)} bytes`);
if (wrong.length || missing.length || !names.includes("README.md")) {
  console.error(`too much: ${wrong.join(", ") || "nothing"}; missing: ${missing.join(", ") || "nothing"}`);
  process.exit(1);
}
