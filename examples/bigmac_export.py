"""Export a PyTorch training graph to ONNX so that every parameter survives.

`torch.onnx.export(..., optimize=True)` is made for inference: it transposes weights into new constants, merges
parameters that happen to hold equal values (all biases that start at zero!) and drops their names. With `optimize=False`
it keeps them, but leaves hundreds of shape computations in the graph. `export` below has both: it hides the parameters
from the optimizer by making them graph inputs while it runs, turns them back into initializers afterwards, and then
proves against `model.named_parameters()` that each one is there once, under its own name, shape, type and value.

    from bigmac_export import export
    export(model, {"input_ids": ids, "labels": labels}, "model.onnx", output_names=["loss"])

The model returns its loss first, then whatever scalars are to be logged. Noise, timesteps and masks are inputs: a
random operator or an active dropout is an error. Batch and sequence sizes are those of the example inputs.
"""

from __future__ import annotations

import ast
import inspect
import pathlib
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir
import torch

# 23 is the first opset with Attention and the newest one that PyTorch 2.15 documents.
DEFAULT_OPSET = 23

# Node metadata that only helps to debug the exporter, and holds paths of the exporting machine.
_DROPPED_METADATA = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node", "pkg.torch.onnx.class_hierarchy")
_FOLDED_FROM = "pkg.onnxscript.optimizer.folded_from"
_RANDOM_OPS = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
# Names of parameters with requires_grad=False, one a line: the compiler does not train them.
FROZEN_KEY = "bigmac.frozen"


class ExportError(RuntimeError):
    """The exported graph would not train the model that was given."""


def export(
    model: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    path: str | pathlib.Path,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] = ("loss",),
    opset: int = DEFAULT_OPSET,
    external_data: bool = False,
    verify: bool = True,
    weights: bool = True,
) -> ir.Model:
    """Writes `model` to `path` and returns the ONNX IR model.

    `example_inputs` are the tensors of one microbatch, in order or by the names of `forward`'s arguments.
    Names become the graph's inputs, and the tensors of the training data; `input_names` gives them to a sequence.
    `external_data` puts the weights beside the model, in `path` + ".data" (needed above 2 GB).
    `verify` runs the graph through ONNX's reference evaluator and compares all outputs with PyTorch's: slow for
    large models, and the only step here that needs more than the weights' memory.
    `weights=False` is for programs that will be given `--init`: values are neither needed (`model` and its inputs may be on
    the meta device) nor written. The data file beside the model has its size, but is a hole: zeros that take no space.
    """
    args, kwargs, input_names = _inputs(model, example_inputs, input_names)
    _refuse_dropout(model)
    with warnings.catch_warnings():
        # The exporter warns about training mode, which is what is wanted here.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            args,
            kwargs=kwargs,
            dynamo=True,
            opset_version=opset,
            optimize=False,
            verbose=False,
            input_names=list(input_names),
            output_names=list(output_names),
        )
    parameters = dict(model.named_parameters())
    _canonical_names(program.model, model)
    used = _hide(program.model, parameters)
    program.optimize()
    _restore(program.model, used)
    _clean(program.model)
    frozen = [name for name in used if not parameters[name].requires_grad]
    if frozen:
        program.model.metadata_props[FROZEN_KEY] = "\n".join(frozen)
    _check(program.model, parameters, used, _unused(program, parameters), opset, weights)
    if verify and weights:
        _compare(program.model, model, args, kwargs, input_names, output_names)
    if weights:
        program.save(str(path), external_data=external_data)
    else:
        _save_without_weights(program.model, parameters, pathlib.Path(path))
    return program.model


def _inputs(model, example_inputs, input_names):
    # Clones, because the exporter merges two arguments that are the same tensor.
    if isinstance(example_inputs, Mapping):
        if input_names is not None:
            raise ExportError("example inputs by name are the graph's inputs under these names: leave input_names out")
        # In the order of forward's arguments, whatever the mapping's: the same model gives the same file.
        known = [name for name in inspect.signature(model.forward).parameters if name in example_inputs]
        order = known + [name for name in example_inputs if name not in known]
        return (), {name: example_inputs[name].clone() for name in order}, order
    if input_names is None:
        raise ExportError("input_names is needed where the example inputs are a sequence")
    return tuple(tensor.clone() for tensor in example_inputs), {}, list(input_names)


def _refuse_dropout(model):
    active = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0 and module.training
    ]
    if active:
        raise ExportError(f"dropout is active in {active[0]} (and {len(active) - 1} more): set its probability to 0")


def _canonical_names(graph_model, model):
    """Gives a tied parameter the first of its names, which is the one `named_parameters` and `save_file` use."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    names = {name: first[id(parameter)] for name, parameter in model.named_parameters(remove_duplicate=False)}
    initializers = graph_model.graph.initializers
    for name in list(initializers):
        if names.get(name, name) == name:
            continue
        value = initializers.pop(name)
        if names[name] in initializers:
            value.replace_all_uses_with(initializers[names[name]])
            continue
        value.name = names[name]
        value.const_value.name = names[name]
        graph_model.graph.register_initializer(value)


def _hide(graph_model, parameters):
    graph = graph_model.graph
    used = {}
    for name in list(graph.initializers):
        if name in parameters:
            value = graph.initializers.pop(name)
            used[name] = value.const_value
            value.const_value = None
            graph.inputs.append(value)
    return used


def _restore(graph_model, used):
    graph = graph_model.graph
    values = {value.name: value for value in graph.inputs if value.name in used}
    constants = list(graph.initializers.items())
    graph.initializers.clear()
    for name, tensor in used.items():
        value = values[name]
        graph.inputs.remove(value)
        value.const_value = tensor
        graph.register_initializer(value)
    # Parameters first, in the order of the model; then the constants that folding made.
    for _, value in constants:
        graph.register_initializer(value)


def _unused(program, parameters):
    """Parameters that the traced computation never reads (their gradient is zero in PyTorch too)."""
    targets = program.exported_program.graph_signature.inputs_to_parameters
    read = set()
    for node in program.exported_program.graph.nodes:
        if node.op == "placeholder" and node.name in targets and node.users:
            read.add(targets[node.name])
    return [name for name in parameters if name not in read]


def _clean(graph_model):
    for node in graph_model.graph.all_nodes():
        for key in _DROPPED_METADATA:
            node.metadata_props.pop(key, None)


def _save_without_weights(graph_model, parameters, path):
    data = path.with_name(path.name + ".data")
    offset = 0
    for name, value in graph_model.graph.initializers.items():
        if name not in parameters:
            continue
        tensor = value.const_value
        size = tensor.nbytes
        value.const_value = ir.ExternalTensor(
            data.name, offset, size, tensor.dtype, shape=tensor.shape, name=name, base_dir=str(path.parent)
        )
        offset += -(-size // 4096) * 4096
    with open(data, "wb") as file:
        file.truncate(offset)
    ir.save(graph_model, str(path))


def _check(graph_model, parameters, used, unused, opset, weights):
    graph = graph_model.graph
    if graph_model.opset_imports.get("") != opset:
        raise ExportError(f"asked for opset {opset}, the exporter wrote {graph_model.opset_imports.get('')}")
    for node in graph.all_nodes():
        if node.op_type in _RANDOM_OPS:
            raise ExportError(f"{node.name} is a random operator ({node.op_type}): make its values an input")
        if node.op_type == "Dropout":
            raise ExportError(f"{node.name} is an active dropout: set its probability to 0")
    idle = [name for name in unused if name not in used]
    if idle:
        warnings.warn(f"left out, as the outputs do not depend on them: {', '.join(idle)}", stacklevel=3)
    for name, parameter in parameters.items():
        if name in idle:
            continue
        value = graph.initializers.get(name)
        if value is None:
            raise ExportError(f"parameter {name} got lost in the export")
        if list(value.const_value.shape) != list(parameter.shape):
            raise ExportError(f"{name}: shape {value.const_value.shape}, the model has {list(parameter.shape)}")
        if not value.uses():
            raise ExportError(f"{name} is in the graph but nothing reads it any more")
        if not weights:
            continue
        # As bytes, since NumPy has no bf16.
        expected = parameter.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        if not np.array_equal(np.frombuffer(value.const_value.tobytes(), np.uint8), expected):
            raise ExportError(f"{name}: its values changed in the export")
    for name, value in graph.initializers.items():
        folded = value.metadata_props.pop(_FOLDED_FROM, None)
        lost = [source for source in ast.literal_eval(folded) if source in parameters] if folded else []
        if lost:
            raise ExportError(f"constant {name} was computed from parameter {lost[0]}")


def _compare(graph_model, model, args, kwargs, input_names, output_names):
    from onnx.reference import ReferenceEvaluator

    with torch.no_grad():
        expected = model(*args, **kwargs)
    expected = [expected] if isinstance(expected, torch.Tensor) else list(expected)
    feeds = dict(zip(input_names, (tensor.numpy() for tensor in (*args, *kwargs.values())), strict=True))
    actual = ReferenceEvaluator(ir.to_proto(graph_model)).run(None, feeds)
    for name, want, got in zip(output_names, expected, actual, strict=True):
        if not np.allclose(got, want.numpy(), rtol=1e-4, atol=1e-5):
            raise ExportError(f"output {name}: the graph computes {got}, PyTorch computes {want}")
