"""W9's chains, for any array library that has stack, where and log: the peers differ in how they
take the Jacobian alone."""

from cases import SIZES


def place(library, z, log_det, log_density, columns, slopes):
    """What a chain must know of its place: z, log|det J|, log p, J's two columns and the gradient
    of log p by x, which is J^-T times that by z, `slopes`."""
    (first, second), (slope0, slope1) = columns, slopes
    determinant = first[:, 0] * second[:, 1] - second[:, 0] * first[:, 1]
    score = library.stack([second[:, 1] * slope0 - first[:, 1] * slope1,
                           first[:, 0] * slope1 - second[:, 0] * slope0],
                          1) / determinant[:, None]
    return {"z": z, "log_det": log_det, "log_density": log_density, "first": first,
            "second": second, "determinant": determinant, "score": score}


def pull_back(library, here, v):
    first, second = here["first"], here["second"]
    return library.stack([second[:, 1] * v[:, 0] - second[:, 0] * v[:, 1],
                          first[:, 0] * v[:, 1] - first[:, 1] * v[:, 0]],
                         1) / here["determinant"][:, None]


def push_forward(here, v):
    return here["first"] * v[:, :1] + here["second"] * v[:, 1:]


def chain_step(library, place_at, log_normal, here, noise, fresh, uniforms):
    """One step of all chains: half of them by the local kernel, which is exact."""
    size, z = SIZES["W9"]["step_size"], here["z"]
    move = pull_back(library, here, 0.5 * size**2 * here["score"] + size * noise)
    local = uniforms[0] < 0.5
    other = place_at(library.where(local[:, None], z + move, fresh))
    back = push_forward(other, z - other["z"]) / size - 0.5 * size * other["score"]
    ratio = library.where(local, other["log_det"] - here["log_det"] +
                          0.5 * ((noise * noise).sum(1) - (back * back).sum(1)),
                          log_normal(z) - log_normal(other["z"]))
    odds = ratio + other["log_density"] - here["log_density"]
    taken = library.log(uniforms[1]) < odds
    return {name: library.where(taken.reshape(-1, *[1] * (old.ndim - 1)), other[name], old)
            for name, old in here.items()}
