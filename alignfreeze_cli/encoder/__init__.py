"""What is particular to AlignFreeze: which blocks train, how words become vectors, and what pulls them together.

freezing    the plan: which blocks and embeddings stand still (importable without torch)
blocks      where each family keeps its blocks, and its hidden states at any of them
packing     many short sentences in few rows, none seeing its neighbours
pooling     word vectors from the hidden states of their subwords
loss        the contrastive loss over linked words, also over several processes
vocabulary  training only the embedding rows that occur
"""
