# A tagger is finished, with its scores. What will its page on the Hub say?
ls runs/front-s31
alignfreeze card runs/front-s31/pos --repo-id org/tagger-de-fr
sed '1,/^---$/d' runs/front-s31/pos/README.md | head -n 32

# What would be published, checked before anything is sent; then it is published.
alignfreeze push runs/front-s31/pos --repo-id org/tagger-de-fr --dry-run
alignfreeze push runs/front-s31/pos --repo-id org/tagger-de-fr --yes

# A visitor of that page, elsewhere: with transformers, as with any model, and with the command line.
python - <<'END'
from transformers import AutoModelForTokenClassification
model = AutoModelForTokenClassification.from_pretrained("org/tagger-de-fr")
print(f"{model.config.model_type}, {model.config.num_hidden_layers} blocks, {len(model.config.id2label)} tags")
END
echo 'das Haus sieht der Hund' | alignfreeze predict org/tagger-de-fr --language de

# Are the scores on the page right? The visitor scores the model anew and sees.
alignfreeze evaluate --model org/tagger-de-fr --languages en,de,fr --max-length 32 --output checked
alignfreeze report checked --output compared --no-plots
