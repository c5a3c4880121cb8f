"""moto's own server, started and ended like the local AWS. Start it with `python -m moto_server`."""
