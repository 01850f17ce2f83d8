"""One module per command or family of commands; each imports the SDK only when it is carried out."""
