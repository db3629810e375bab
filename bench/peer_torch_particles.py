"""The free-form loss on particles of the benchmark's peer in PyTorch: see peer_jax_particles.py."""

import math

import torch
from torch.nn.functional import linear as product
from torch.nn.functional import silu

from cases import SIZES


def linear(layer, x):
    return product(x, layer["weight"], layer["bias"])


def pair_features(net, h, distances):
    """[batch, particles, particles, hidden] of all ordered pairs."""
    count = h.shape[1]
    both = torch.cat([h[:, :, None].expand(-1, -1, count, -1), h[:, None].expand(-1, count, -1, -1),
                      distances], -1)
    return silu(linear(net["second"], silu(linear(net["first"], both))))


def square_distances(x):
    return ((x[:, :, None] - x[:, None])**2).sum(-1, keepdim=True)


def graph_network(net, x):
    count = x.shape[1]
    others = (1.0 - torch.eye(count))[None, :, :, None]
    start, start_distances = x, square_distances(x)
    h = linear(net["input"], torch.ones(1, 1, 1)).expand(*x.shape[:2], -1)
    for layer in net["layers"]:
        distances = square_distances(x)
        edges = torch.cat([distances, start_distances], -1)
        for block in layer["messages"]:
            message = pair_features(block["pair"], h, edges)
            message = message * torch.sigmoid(linear(block["gate"], message))
            received = (message * others).sum(2) / 100.0
            update = silu(linear(block["update"], torch.cat([h, received], -1)))
            h = h + linear(block["update_second"], update)
        strength = product(pair_features(layer["pull"], h, edges), layer["output"])
        apart = x[:, :, None] - x[:, None]
        pull = apart * strength / (torch.sqrt(distances + 1e-8) + 1.0) * others
        x = x + pull.sum(2) / 100.0
    moved = x - start
    return start + moved - moved.mean(1, keepdim=True)


def log_prob(workload, tree, x):
    """See peer_jax_particles.py."""
    def encode(x):
        return graph_network(tree["encoder"], x)

    def decode(z):
        return graph_network(tree["decoder"], z)

    def flat_decode(z):
        return decode(z.reshape(1, *x.shape[1:])).flatten()

    def jacobian(z):
        return torch.vmap(torch.func.jacfwd(flat_decode))(z.flatten(1))

    def error(decoded):
        return ((decoded - x)**2).sum((1, 2), keepdim=True)

    first = encode(x)
    z, decoded = first, decode(first)
    for _ in range(SIZES[workload]["encoder_steps"]):
        moved = z + first - encode(decoded)
        back = decode(moved)
        nearer = error(back) < error(decoded)
        z, decoded = torch.where(nearer, moved, z), torch.where(nearer, back, decoded)
    rest = (x - decoded).flatten(1)[:, :, None]
    z = z + torch.linalg.solve(jacobian(z), rest).reshape(x.shape)
    free = (x.shape[1] - 1) * x.shape[2]
    constant = 0.5 * free * math.log(2.0 * math.pi)
    return -0.5 * (z**2).sum((1, 2)) - constant - torch.linalg.slogdet(jacobian(z))[1]


def loss(workload, tree, state, x, v):
    x = x.requires_grad_()
    z = graph_network(tree["encoder"], x)
    pulled, = torch.autograd.grad(z, x, v, create_graph=True)
    back, pushed = torch.func.jvp(lambda z: graph_network(tree["decoder"], z), (z,), (v,))
    likelihood = 0.5 * (z**2).sum() - (pushed.detach() * pulled).sum()
    reconstruction = ((back - x)**2).sum()
    value = likelihood + SIZES[workload]["reconstruction_weight"] * reconstruction
    return value / len(x), state
