"""The body of a made-up vehicle as polygons, from its `Look`."""

from __future__ import annotations

from mtmc.worlds.cars import car
from mtmc.worlds.heavies import bus, motorcycle, truck
from mtmc.worlds.looks import Look
from mtmc.worlds.meshes import Mesh, MeshBuilder


def mesh_of(look: Look) -> Mesh:
    """The polygons of one vehicle, 60 to 150 of them."""
    builder = MeshBuilder()
    {"bus": bus, "truck": truck, "motorcycle": motorcycle}.get(look.body.name, car)(builder, look)
    return builder.build()
