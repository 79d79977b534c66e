"""Container images as functions with the official SDK: created, called, changed, refused."""
import json
import os

from common import Scenario
from huaweicloudsdkcore.exceptions import exceptions
from huaweicloudsdkfunctiongraph.v2 import (
    CreateFunctionRequest,
    CreateFunctionRequestBody,
    CustomImage,
    ShowFunctionConfigRequest,
    UpdateFunctionConfigRequest,
    UpdateFunctionConfigRequestBody,
)

IMAGE = os.environ["TEST_IMAGE"]
OTHER = os.environ["TEST_OTHER_IMAGE"]


class Images(Scenario):
    def create_image(self, name, image, **more):
        body = CreateFunctionRequestBody(
            func_name=name, package="default", runtime="Custom Image", handler="-", timeout=10, memory_size=128,
            code_type="Custom-Image-Swr", custom_image=CustomImage(enabled=True, image=image, **more))
        created = self.client.create_function(CreateFunctionRequest(body=body))
        self.addCleanup(self.delete_if_there, created.func_urn)
        return created

    def update(self, created, **image):
        body = UpdateFunctionConfigRequestBody(
            func_name=created.func_name, runtime="Custom Image", handler="-", timeout=10, memory_size=128,
            custom_image=CustomImage(enabled=True, **image))
        self.client.update_function_config(UpdateFunctionConfigRequest(function_urn=created.func_urn, body=body))

    def result(self, urn, event):
        return json.loads(self.invoke(urn, event).raw_content)

    def test_an_image_from_create_to_its_change(self):
        created = self.create_image("pictured", IMAGE)
        self.assertEqual((created.runtime, created.code_type, created.custom_image.image),
                         ("Custom Image", "Custom-Image-Swr", IMAGE))
        seen = self.result(created.func_urn, {"a": 1})
        self.assertEqual((seen["event"], seen["uid"], seen["argument"]), ({"a": 1}, 1003, ""))
        self.update(created, image=IMAGE, args="changed", uid="2000", gid="3000")
        shown = self.client.show_function_config(ShowFunctionConfigRequest(function_urn=created.func_urn))
        self.assertEqual((shown.custom_image.args, shown.custom_image.uid), ("changed", "2000"))
        seen = self.result(created.func_urn, {})
        self.assertEqual((seen["argument"], seen["uid"], seen["gid"]), ("changed", 2000, 3000))

    def test_another_image_takes_the_place_of_the_first(self):
        created = self.create_image("repictured", IMAGE)
        self.assertEqual(self.result(created.func_urn, {})["own"], "of the image")
        self.update(created, image=OTHER)
        shown = self.client.show_function_config(ShowFunctionConfigRequest(function_urn=created.func_urn))
        self.assertEqual(shown.custom_image.image, OTHER)
        self.assertEqual(self.result(created.func_urn, {})["own"], "")

    def test_what_cannot_be_an_image_is_refused(self):
        for image, status, code in [
            ("Not A Name", 400, "FSS.1034"),
            (IMAGE.rsplit(":", 1)[0] + ":none", 400, "FSS.1035"),
            # Nobody but the operator may have this server ask its own network.
            ("10.0.0.1:5000/a:v1", 400, "FSS.1034"),
        ]:
            with self.assertRaises(exceptions.ClientRequestException) as caught:
                self.create_image("refused", image)
            self.assertEqual((caught.exception.status_code, caught.exception.error_code), (status, code))
