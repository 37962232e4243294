"""Time of C-STORE of 400 slices on loopback: the node beside Orthanc, both syncing each file to the disk.

    python3 benches/node.py target/release/calvaria        # needs DCMTK, Orthanc (Debian) and pydicom
    python3 benches/node.py --slices FOLDER                # the slices alone, for other figures

Prints the wall time of `storescu`, three times each, alternating; and that each instance lies under its name, synced.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SLICES = 400


def slices(folder):
    rng = np.random.default_rng(1)
    study, series = generate_uid(), generate_uid()
    for n in range(SLICES):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.Modality = study, series, "CT"
        ds.PatientID, ds.PatientName, ds.InstanceNumber = "1", "A^B", n + 1
        ds.Rows = ds.Columns = 512
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 15, 1, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.PixelSpacing, ds.ImagePositionPatient = [0.5, 0.5], [0, 0, n * 0.6]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
        ds.FrameOfReferenceUID = "1.2.3"
        y, x = np.mgrid[-256:256, -256:256]
        head = np.where(np.hypot(x, y) < 180, 40.0, -1000.0) + np.where(abs(np.hypot(x, y) - 170) < 10, 900.0, 0.0)
        ds.PixelData = (head + rng.normal(0, 15, (512, 512))).astype(np.int16).tobytes()
        ds.save_as(os.path.join(folder, f"{n:04}.dcm"), enforce_file_format=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nobody listens at {port}")


def node(program, folder):
    port = free_port()
    config = os.path.join(folder, "calvaria.toml")
    with open(config, "w") as f:
        f.write(f"data = '{folder}'\n[node]\nlisten = '127.0.0.1:{port}'\n")
        f.write("callers = [{ aet = 'PACS', address = '127.0.0.1' }]\n")
    return port, subprocess.Popen([program, "node", "--config", config], stderr=subprocess.DEVNULL)


def orthanc(folder):
    port = free_port()
    config = os.path.join(folder, "orthanc.json")
    with open(config, "w") as f:
        json.dump({"StorageDirectory": folder, "IndexDirectory": folder, "DicomPort": port, "HttpPort": free_port(),
                   "DicomAet": "CALVARIA", "DicomAlwaysAllowStore": True, "DicomCheckCalledAet": False,
                   "SyncStorageArea": True, "Plugins": []}, f)
    return port, subprocess.Popen(["Orthanc", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    if sys.argv[1] == "--slices":
        os.makedirs(sys.argv[2], exist_ok=True)
        return slices(sys.argv[2])
    program = os.path.abspath(sys.argv[1])
    times = {"node": [], "orthanc": []}
    with tempfile.TemporaryDirectory(dir=".") as work:
        source = os.path.join(work, "source")
        os.mkdir(source)
        slices(source)
        for _ in range(3):
            for name in times:
                folder = os.path.join(os.path.abspath(work), name)
                os.mkdir(folder)
                port, process = node(program, folder) if name == "node" else orthanc(folder)
                listens(port)
                began = time.time()
                subprocess.run(["storescu", "-aet", "PACS", "-aec", "CALVARIA", "+sd", "127.0.0.1", str(port), source],
                               check=True, stdout=subprocess.DEVNULL)
                times[name].append(time.time() - began)
                if name == "node":
                    found = [f for _, _, files in os.walk(os.path.join(folder, "drop")) for f in files if f.endswith(".dcm")]
                    assert len(found) == SLICES, len(found)
                process.terminate()
                process.wait()
                shutil.rmtree(folder)
    for name, all_s in times.items():
        print(f"{name}: {', '.join(f'{s:.2f}' for s in all_s)} s")
    print(f"ratio of the best: {min(times['node']) / min(times['orthanc']):.2f}")


main()
