"""The Integration API: GraphQL, over everything a client of Centra has."""
