import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { runCommandLine } from "../helpers/command.js";

const read = (name: string) => readFileSync(`deploy/${name}`, "utf8");

/** A command line whose options are known gets as far as its store, which does not exist. */
const getsToTheStore = { code: 1, stderr: /^E_NO_STORE: / };

t.test("the Kubernetes Job is one, and its arguments are the command's", async (t) => {
  const job = parse(read("kubernetes-job.yaml"));
  t.match(job, { apiVersion: "batch/v1", kind: "Job", metadata: { name: String } });
  const { containers, restartPolicy, volumes } = job.spec.template.spec;
  t.equal(restartPolicy, "Never");
  t.equal(containers.length, 1);
  const mounted = containers[0].volumeMounts.map(({ name }: { name: string }) => name);
  t.same(
    mounted,
    volumes.map(({ name }: { name: string }) => name),
  );
  const { containerName } = job.spec.podFailurePolicy.rules[0].onExitCodes;
  t.equal(containerName, containers[0].name);
  t.match(await runCommandLine(containers[0].args), getsToTheStore);
});

t.test("the Slurm script is valid shell, and its arguments are the command's", async (t) => {
  execFileSync("bash", ["-n", "deploy/slurm.sh"]);
  const [, command = ""] = /^medcoss ((?:.*\\\n)*.*) &$/m.exec(read("slurm.sh")) ?? [];
  const words = command
    .replaceAll("\\\n", " ")
    .replace('"$store"', "none")
    .replace('"$run"', t.testdir())
    .replace(/"\$\{SLURM_CPUS_PER_TASK:-(\d+)\}"/, "$1");
  t.match(words, "--resume");
  t.match(await runCommandLine(words.split(/\s+/)), getsToTheStore);
});

t.test("the Slurm script lets a run save, and puts the job back", async (t) => {
  const folder = t.testdir({
    node_modules: { ".bin": {} },
    scontrol: '#!/bin/sh\necho "$@" >> $LOG\n',
  });
  const program = `${folder}/node_modules/.bin/medcoss`;
  writeFileSync(
    program,
    '#!/bin/sh\ntrap "sleep 0.2; echo saved >> $LOG; exit 130" TERM\necho ready >> $LOG\nwhile :; do sleep 0.05; done\n',
  );
  execFileSync("chmod", ["+x", program, `${folder}/scontrol`]);
  const script = `bash ${resolve("deploy/slurm.sh")} STORE RUN & job=$!
    until grep -q ready "$LOG" 2>/dev/null; do sleep 0.05; done
    kill -TERM $job; wait $job; echo "code $?" >> "$LOG"`;
  const log = `${folder}/log`;
  const env = {
    ...process.env,
    PATH: `${folder}:${process.env.PATH}`,
    LOG: log,
    SLURM_JOB_ID: "7",
  };
  execFileSync("bash", ["-c", script], { env, cwd: folder });
  t.same(readFileSync(log, "utf8").split("\n"), ["ready", "saved", "requeue 7", "code 130", ""]);
});

t.test("the container's stages are there, and its entry point is the command", async (t) => {
  const text = read("Dockerfile");
  const stages = [...text.matchAll(/^FROM \S+ AS (\w+)$/gm)].map(([, name]) => name);
  t.same(stages, ["build", "base", "gpu", "cpu"]);
  for (const [, from = ""] of text.matchAll(/--from=(\w+)/g)) t.ok(stages.includes(from));
  t.match(text, 'ENTRYPOINT ["tini", "--", "medcoss"]');
});
