// Starts and stops the programs of the checks: everything lives in a folder of its own, and only what was started here
// is stopped.

import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A folder that other users may enter: as root, Postgres runs as another one. */
export function folder(name) {
  const path = mkdtempSync(join(tmpdir(), `packline-${name}-`));
  chmodSync(path, 0o755);
  return path;
}

export class Programs {
  constructor(folder, env) {
    this.folder = folder;
    this.env = { PATH: process.env.PATH, HOME: folder, ...env };
    this.running = [];
  }

  /** Starts a program and waits until it says a line that matches; gives the match. */
  async start(program, args, pattern, env = {}) {
    const child = spawn(program, args, { env: { ...this.env, ...env }, cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] });
    const exited = once(child, "exit");
    const lines = [];
    this.running.push({ child, exited, lines, name: [program, ...args].join(" ") });
    return await new Promise((found, failed) => {
      const patience = setTimeout(() => failed(new Error(`${program} did not say ${pattern}:\n${lines.join("\n")}`)), 60_000);
      const heard = (line) => {
        lines.push(line);
        const match = line.match(pattern);
        if (match) (clearTimeout(patience), found(match));
      };
      for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", heard);
      exited.then(() => (clearTimeout(patience), failed(new Error(`${program} ended:\n${lines.join("\n")}`))));
    });
  }

  /** Runs a program to its end and gives what it printed. */
  run(program, args, env = {}) {
    return execFileSync(program, args, {
      env: { ...this.env, ...env }, cwd: this.folder, encoding: "utf8", timeout: 60_000, stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** The same without waiting for others. */
  async runAside(program, args, env = {}) {
    return new Promise((done, failed) => {
      execFile(program, args, { env: { ...this.env, ...env }, cwd: this.folder, timeout: 60_000 }, (error, out, err) =>
        error ? failed(new Error(`${program} ${args.join(" ")}: ${error.message}\n${out}\n${err}`)) : done(out));
    });
  }

  /** What the programs said, for whoever looks into a failure. */
  said() {
    return this.running.map(({ name, lines }) => `--- ${name}\n${lines.slice(-60).join("\n")}`).join("\n");
  }

  /** Stops the one whose command line fits; gives its exit code. */
  async stopOne(fits, signal = "SIGTERM") {
    const at = this.running.findLastIndex(({ name }) => fits(name));
    const { child, exited } = this.running.splice(at, 1)[0];
    child.kill(signal);
    const patience = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const [code, killed] = child.exitCode === null && child.signalCode === null ? await exited : [child.exitCode, child.signalCode];
    clearTimeout(patience);
    return code ?? killed;
  }

  /** Stops all in order, newest first; gives the exit codes. */
  async stop() {
    const codes = [];
    while (this.running.length) codes.push(await this.stopOne(() => true));
    rmSync(this.folder, { recursive: true, force: true });
    return codes;
  }
}

/** Asks the private Postgres below a folder through psql; gives the rows, each a list of texts. */
export function psql(folder, query) {
  const file = readdirSync(folder, { recursive: true }).find((path) => path.endsWith("postmaster.pid"));
  // Port and socket folder are lines 4 and 5 of this file.
  const [, , , port, socket] = readFileSync(join(folder, file), "utf8").split("\n");
  const args = ["--no-psqlrc", "--no-align", "--tuples-only", "--field-separator=\t", "--set=ON_ERROR_STOP=1", "--command", query];
  const env = { PATH: process.env.PATH, PGHOST: socket, PGPORT: port, PGUSER: "packline", PGDATABASE: "packline" };
  const out = execFileSync("psql", args, { env, encoding: "utf8", timeout: 30_000 });
  return out.split("\n").filter(Boolean).map((line) => line.split("\t"));
}

/** Tries again until it gives something, or says what was wrong at last. */
export async function until(what, look, seconds = 30) {
  let last;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const [found, seen] = await look();
    if (found) return seen;
    last = seen;
    await new Promise((go) => setTimeout(go, 50));
  }
  throw new Error(`${what}: ${JSON.stringify(last)}`);
}
