"""reference.py NETWORK LR HEIGHT WIDTH FOLDER: writes FOLDER/NETWORK.pth (random weights, torch.save) and FOLDER/NETWORK.f32, the picture
that PyTorch makes of the file LR with them. Pictures are raw float32, [1, 3, height, width]."""

import sys

import numpy
import torch
from networks import NETWORKS

name, source, height, width, folder = sys.argv[1:]
torch.manual_seed(3)
model = NETWORKS[name]().eval()
lr = torch.from_numpy(numpy.fromfile(source, numpy.float32)).view(1, 3, int(height), int(width))
with torch.no_grad():
    for key, value in model.named_buffers():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    model(lr).numpy().tofile(f"{folder}/{name}.f32")
torch.save({"params": model.state_dict()}, f"{folder}/{name}.pth")
