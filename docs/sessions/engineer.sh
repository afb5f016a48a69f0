# I want tags for text in qci. No sentence of it is labelled; qav, a language with labels, has translations into it.
alignfreeze align-pairs --source qav --target qci --corpus 'demo/world/parallel/{source}-{target}.tsv' \
    --dictionary 'demo/world/dictionaries/{source}-{target}.txt' --output pairs
alignfreeze realign --model demo/world/encoder --pairs pairs --freeze front --steps 60 --learning-rate 2e-3
alignfreeze finetune --task pos --model encoder --language qav --train demo/world/pos/qav-train.conllu \
    --steps 40 --learning-rate 1e-3 --output tagger

# Raw text of qci, one sentence a line, as it comes out of any other program.
head -n 2 demo/world/text/qci.txt
head -n 2 demo/world/text/qci.txt | alignfreeze predict tagger - --language qci | head -n 12

# All of the file, in the order of its lines; and one line as JSON, for a program.
alignfreeze predict tagger demo/world/text/qci.txt --language qci --output tagged.conllu
grep -c '^# sent_id' tagged.conllu
head -n 1 demo/world/text/qci.txt | alignfreeze predict tagger - --language qci --format jsonl

# Once more: what is finished is not done again, and a mistake is told in a sentence.
alignfreeze realign --model demo/world/encoder --pairs pairs --freeze front --steps 60 --learning-rate 2e-3 -q
alignfreeze realign --model demo/world/encoder --pairs pairs --freeze fornt || echo "exit code $?"
alignfreeze predict taggre - --language qci </dev/null || echo "exit code $?"
