# I need part-of-speech tags in two languages for which nobody has labelled anything. What I have: sentences with tags in
# a third language (qav), translations of some of them, and word lists. All of it lies in one folder.
ls demo/world
head -n 1 demo/world/parallel/qav-qbe.tsv

# One file says what I want: the encoder as it is, and realigned with its lower half frozen; two seeds each, so that I
# see how much is chance.
cat > mine.yaml <<'END'
data: demo/world
model: '{data}/encoder'
name: small
source: qav
targets: [qbe, qci]
seeds: [2, 5]
tasks: [pos]
threads: 1
align-pairs: {corpus: '{data}/parallel/{source}-{target}.tsv', dictionary: '{data}/dictionaries/{source}-{target}.txt'}
realign: {steps: 60, learning-rate: 2e-3}
finetune: {steps: 40, learning-rate: 1e-3, train: '{data}/pos/qav-train.conllu'}
evaluate: {data: '{data}/pos/{language}-test.conllu', max-length: 96}
strategies:
  baseline: {realign: false}
  front: {freeze: front}
END
alignfreeze recipes validate mine.yaml

# What will happen, what it takes, and then the thing itself. I can stop it at any time and start it again.
alignfreeze run mine.yaml --dry-run
alignfreeze run mine.yaml

# The table for the paper: means over seeds, the gain of realignment, and whether it is more than chance.
alignfreeze report runs --no-plots
sed -n '/^## small, pos/,$p' report/report.md | head -n 23
