"""The benchmark's peer in PyTorch: the same work as bench_ours, under torch.compile."""

import math

import torch

import peer_common as common
import peer_torch_flows as flows
import peer_torch_particles as particles
import peer_torch_smooth as smooth
from cases import PARTICLES, SIZES, SMOOTH
from peer_common import BASE, POINTS


class PackedSampler:
    """Draws of the resampled base; each trial proposes for the open draws alone."""

    def __init__(self, count, features, chunk):
        self.count, self.features, self.chunk = count, features, chunk
        self.acceptance = torch.compile(flows.acceptance)

    def rates(self, net, proposal):
        parts = []
        for part in proposal.split(self.chunk):
            if len(part) < self.chunk:
                torch._dynamo.mark_dynamic(part, 0)
            parts.append(self.acceptance(net, part))
        return torch.cat(parts)

    @torch.no_grad()
    def __call__(self, net):
        samples, pending = torch.empty(self.count, self.features), torch.arange(self.count)
        for trial in range(1, BASE["truncation"] + 1):
            proposal = torch.randn(len(pending), self.features)
            if trial == BASE["truncation"] or len(pending) < 2:
                # A dynamic size of 1 would be compiled apart.
                accepted = torch.rand(len(pending)) < flows.acceptance(net, proposal)
                accepted |= trial == BASE["truncation"]
            else:
                accepted = torch.rand(len(pending)) < self.rates(net, proposal)
            samples[pending[accepted]] = proposal[accepted]
            pending = pending[~accepted]
            if len(pending) == 0:
                break
        return samples


def random_numbers(workload):
    """What one step draws: proposals for Z, a batch, or the moves' numbers."""
    sizes = SIZES[workload]
    batch, features = sizes["batch"], sizes["features"]
    if workload == "W8":
        shape = (2 * sizes["stages"], sizes["moves"], batch)
        return torch.randn(*shape, features), torch.rand(shape), torch.randn(batch, features)
    if workload in ("W0", "W4"):
        return torch.randn(BASE["proposals"], features)
    if workload in PARTICLES:
        count = sizes["particles"]
        return common.unit_probe(torch, torch.randn(batch, count, features // count))
    return torch.randn(batch, features) if workload in ("W7", *SMOOTH) else None


def prepare_particle_step(workload, tree, optimizer, batch):
    """Eager, since a gradient within the loss is not compiled, and in parts: 256 clusters of 13
    particles at once take 13 GB."""
    rows = SIZES[workload]["part"]

    def run():
        optimizer.zero_grad()
        total = 0.0
        for x, v in zip(batch.split(rows), random_numbers(workload).split(rows)):
            value, _ = particles.loss(workload, tree, None, x, v)
            value = value * (len(x) / len(batch))
            value.backward()
            total += value.item()
        optimizer.step()
        if not math.isfinite(total):
            raise FloatingPointError("the loss is not finite")

    return run


def prepare_step(workload):
    sizes, tree = SIZES[workload], flows.tensors(common.parameters(workload))
    for leaf in flows.leaves(tree):
        leaf.requires_grad_()
    optimizer = torch.optim.Adam(flows.leaves(tree), lr=common.LEARNING_RATE, fused=True)
    batch = flows.tensors(common.data(workload, sizes["batch"]))
    held = [flows.tensors(common.first_state(workload))]
    if workload in PARTICLES:
        return prepare_particle_step(workload, tree, optimizer, batch)
    # A gradient within the loss is not compiled.
    loss = smooth.loss if workload in SMOOTH else torch.compile(flows.loss)
    sampler = None
    if workload == "W4":
        sampler = PackedSampler(sizes["batch"], sizes["features"], sizes["batch"])

    def run():
        x = sampler(tree["acceptance"]) if sampler else batch
        optimizer.zero_grad()
        value, held[0] = loss(workload, tree, held[0], x, random_numbers(workload))
        value.backward()
        optimizer.step()
        if not math.isfinite(value.item()):
            raise FloatingPointError("the loss is not finite")

    return run


def sample_in_lockstep(net, rates, count, features):
    """The whole batch proposed again in every trial until its last draw is accepted."""
    samples, is_open = torch.empty(count, features), torch.ones(count, dtype=torch.bool)
    for trial in range(1, BASE["truncation"] + 1):
        proposal = torch.randn(count, features)
        taken = is_open & (torch.rand(count) < rates(net, proposal))
        if trial == BASE["truncation"]:
            taken = is_open
        samples = torch.where(taken[:, None], proposal, samples)
        is_open = is_open & ~taken
        if not is_open.any():
            break
    return samples


def prepare_points(workload, task, chunk):
    """log_prob or sample of many points."""
    tree, features = flows.tensors(common.parameters(workload)), SIZES[workload]["features"]
    if task == "log_prob":
        x = flows.tensors(common.data(workload, SIZES[workload].get("points", POINTS)))
        # Eager, as the step of particles.
        density = particles.log_prob if workload in PARTICLES else torch.compile(flows.log_prob)
        chunk = SIZES[workload].get("part", chunk)
        return torch.no_grad()(
            lambda: torch.cat([density(workload, tree, part) for part in x.split(chunk)]))
    packed = PackedSampler(POINTS, features, chunk)
    if task == "sample_lockstep":
        return torch.no_grad()(
            lambda: sample_in_lockstep(tree["acceptance"], packed.rates, POINTS, features))
    if workload == "W6":
        return lambda: packed(tree["acceptance"])
    to_data = torch.compile(lambda flow, z, inverses: flows.coupling_to_data(flow, z, inverses)[0])

    @torch.no_grad()
    def run():
        inverses = [torch.linalg.inv(flows.lu_weight(layer)).T.contiguous()
                    for layer in tree["flow"] if "lower" in layer]
        if workload in common.RESAMPLED:
            parts = packed(tree["acceptance"]).split(chunk)
        else:
            parts = (torch.randn(chunk, features) for _ in range(POINTS // chunk))
        return torch.cat([to_data(tree["flow"], part, inverses) for part in parts])

    return run


def prepare_chains():
    flow = flows.tensors(common.parameters("W9"))["flow"]
    shape = (SIZES["chains"], SIZES["W9"]["features"])
    held = [flows.place_of(flow, torch.randn(shape))]
    step = torch.compile(flows.chain_step)

    @torch.no_grad()
    def run():
        for _ in range(SIZES["W9"]["steps"]):
            held[0] = step(flow, held[0], torch.randn(shape), torch.randn(shape),
                           torch.rand(2, shape[0]))
        if not held[0]["z"].isfinite().all():
            raise FloatingPointError("the chains are not finite")

    return run


def prepare_matmul():
    a = torch.randn(common.MATMUL, common.MATMUL)
    product = torch.empty_like(a)
    return lambda: torch.mm(a, a, out=product)


def prepare(arguments):
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    workload, task = arguments.workload, arguments.task
    if task == "matmul":
        return prepare_matmul()
    if workload in common.DOUBLE:
        torch.set_default_dtype(torch.float64)
    if task == "chains":
        return prepare_chains()
    if task == "step":
        return prepare_step(workload)
    return prepare_points(workload, task, arguments.chunk)


common.main(common.parse(__doc__, chunk=4000), prepare)
