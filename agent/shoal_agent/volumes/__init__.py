"""The volumes of this node: their directories, how an empty one is filled from an image, what containers mount.

Which volumes there are is the cluster's to know. Nothing is removed here because nobody names it.
"""
