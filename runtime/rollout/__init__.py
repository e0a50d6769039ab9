"""Rolling models out while the server runs: promotions, rollbacks, and the models that clients ask for."""
