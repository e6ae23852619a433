"""Shortest paths and components of a grid."""

import networkx

graph = networkx.grid_2d_graph(12, 12)


def work() -> object:
    lengths = networkx.single_source_dijkstra_path_length(graph, (0, 0))
    return lengths, list(networkx.connected_components(graph)), networkx.core_number(graph)
