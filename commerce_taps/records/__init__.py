"""Records: decoded from responses, validated, normalized, selected and mapped."""
