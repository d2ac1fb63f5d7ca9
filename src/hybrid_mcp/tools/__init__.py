"""What a model can call: one thin file per tool."""
