"""The web server: who may connect, the endpoints, the page, and the one adapter to Sanic."""
