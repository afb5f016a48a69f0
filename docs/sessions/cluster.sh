# The login node has a network, the nodes that compute have none. All of them see this folder and the same caches.
cat > ours.yaml <<'END'
extends: bert-base-multilingual-cased-front
targets: [de, fr]
seeds: [31]
tasks: [pos]
threads: 1
realign: {steps: 200, batch-size: 4, checkpoint-every: 5, probe-pairs: 4, max-length: 32}
finetune: {steps: 4, batch-size: 4, max-length: 32}
evaluate: {max-length: 32}
END

# On the login node: is everything there? What the nodes would say now, and what it takes to have it.
alignfreeze run ours.yaml --offline || echo "exit code $?"
alignfreeze fetch ours.yaml

# What the job will do, and what to ask the queue for.
alignfreeze run ours.yaml --dry-run --offline

# As one job. In the middle of training the queue takes the node away: it sends SIGTERM, here I do.
alignfreeze run ours.yaml --offline > job-1.log 2>&1 & job=$!
until ls runs/*/.encoder.partial/checkpoints/step-* > /dev/null 2>&1; do sleep 0.02; done
kill -TERM $job
wait $job || echo "exit code $?"
tail -n 2 job-1.log

# It is queued again, with the same command, and goes on from there.
alignfreeze run ours.yaml --offline

# Or a job for each step, which Snakemake submits: memory, threads and GPUs are in the rules.
alignfreeze run ours.yaml --snakefile Snakefile
sed -n '/^rule .*_encoder:/,/shell:/p' Snakefile
cat profiles/slurm/config.yaml
