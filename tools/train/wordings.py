"""How people ask: for each task the wordings that are trained and those kept for the test alone (never trained).

A wording may hold fields in braces. The program's own prompts (cli: caption, detect, transcribe) are among the trained.
"""

_DETECT_TAIL = (' Answer with a JSON list of objects {{"box_2d": [y1, x1, y2, x2], "label": ...}}, '
                "coordinates in thousandths of the image's height and width.")
_TRANSCRIBE = ("Transcribe the following speech segment in {how}.\n\n"
               "Follow these specific instructions for formatting the answer:\n"
               "* Only output the transcription, with no newlines.\n"
               "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, "
               "and write 3 instead of three.")
_TRANSLATE = ("Transcribe the following speech segment in English, then translate it into {language}.\n"
              "When formatting the answer, first output the transcription in English, then one newline, then output the "
              "string '{language}: ', then the translation in {language}.")

WORDINGS = {
    "caption": (["Describe this image.", "Describe the picture.", "What do you see?", "What is in this picture?", "Describe the image.",
                 "What is shown here?", "Caption this image.", "Tell me what is in the image.", "What can be seen in this picture?",
                 "Please describe what you see.", "Describe what is given here.", "Describe this image in one sentence.",
                 "What does the picture show?", "Write a caption.", "Say what is in the picture, from left to right."],
                ["Give me a description of this picture.", "What is in the image?", "Please write a caption for the image."]),
    "count": (["How many objects are there?", "How many shapes are in the picture?", "Count the objects.", "How many shapes do you see?",
               "How many things are in the image?", "Count the shapes in this image.", "What is the number of objects?",
               "How many objects does the image show?", "How many shapes can you count?", "Tell me how many objects there are.",
               "How many are there?"],
              ["How many objects can be seen?", "Count all shapes.", "Please count the things in the picture."]),
    "count_kind": (["How many {kinds} are there?", "How many {kinds} do you see?", "Count the {kinds}.", "How many {kinds} are in the picture?",
                    "What is the number of {kinds}?", "How many {kinds} does the image show?", "Tell me how many {kinds} there are.",
                    "How many of the objects are {kinds}?", "How many {kinds} can you count?", "Count the {kinds} in this image."],
                   ["How many {kinds} can be seen?", "Please count the {kinds}.", "In the picture, how many {kinds} are there?"]),
    "colour": (["What color is the {it}?", "What colour is the {it}?", "Which color does the {it} have?", "What is the color of the {it}?",
                "Tell me the color of the {it}.", "Name the colour of the {it}.", "The {it} has which color?", "Which colour is the {it}?",
                "What is the {it}'s color?", "Say what color the {it} is."],
               ["Which color is the {it}?", "What colour does the {it} have?", "Please name the color of the {it}."]),
    "shape": (["What shape is the {colour} object?", "Which shape is {colour}?", "What is the {colour} thing?", "Name the {colour} shape.",
               "What {colour} shape is there?", "The {colour} object has which shape?", "What is the shape of the {colour} object?",
               "Tell me the shape of the {colour} thing.", "Which shape does the {colour} object have?", "Say what the {colour} object is."],
              ["What shape is the {colour} thing?", "Which object is {colour}?", "Please name the shape that is {colour}."]),
    "exists": (["Is there a {it}?", "Do you see a {it}?", "Is there a {it} in the picture?", "Can you see a {it}?", "Does the image show a {it}?",
                "Is a {it} in this image?", "Does the picture contain a {it}?", "Is any {it} shown?", "Are there any {it}s?", "Is a {it} to be seen?"],
               ["Do you find a {it} in the image?", "Can a {it} be seen?", "Does this picture show a {it}?"]),
    "where": (["Where is the {it}?", "Where in the picture is the {it}?", "In which part of the image is the {it}?", "Where do you see the {it}?",
               "What is the position of the {it}?", "Tell me where the {it} is.", "At which place is the {it}?", "Where is the {it} placed?",
               "Say where the {it} is.", "Which part of the picture holds the {it}?"],
              ["Where can the {it} be seen?", "Where in this image is the {it}?", "Please tell me the place of the {it}."]),
    "relation": (["Is the {a} left of the {b}?", "Is the {a} to the left of the {b}?", "Does the {a} stand left of the {b}?",
                  "Do you see the {a} left of the {b}?", "Is the {a} on the left side of the {b}?", "Is it true that the {a} is left of the {b}?",
                  "Tell me if the {a} is left of the {b}.", "Is the {a} further left than the {b}?", "The {a} is left of the {b}, yes or no?",
                  "In the image, is the {a} left of the {b}?"],
                 ["Is the {a} placed left of the {b}?", "Can the {a} be seen left of the {b}?", "Say if the {a} is to the left of the {b}."]),
    "larger": (["Which is larger, the {a} or the {b}?", "Which is bigger, the {a} or the {b}?", "What is larger, the {a} or the {b}?",
                "Is the {a} or the {b} larger?", "Of the {a} and the {b}, which is larger?", "Which one is bigger: the {a} or the {b}?",
                "Tell me which is larger, the {a} or the {b}.", "Name the larger one: the {a} or the {b}.", "What is bigger, the {a} or the {b}?",
                "Is the {a} or the {b} bigger?"],
               ["Which one is larger: the {a} or the {b}?", "Of the {a} and the {b}, which is bigger?", "Say which is bigger, the {a} or the {b}."]),
    "boxes": (["Detect all objects in the image." + _DETECT_TAIL, "Detect all objects as JSON.", "Find all objects and give their boxes as JSON.",
               "Give the bounding boxes of all shapes as JSON.", "Return the boxes of all objects.", "Detect all shapes.",
               "Where are the objects? Answer with boxes as JSON.", "Detect everything in the picture.", "List all objects with box_2d and label.",
               "Output the bounding boxes of all objects.", "Detect all shapes in this image as JSON."],
              ["Find the bounding boxes of all objects.", "Return JSON with the boxes of all shapes.", "Please detect all objects in this picture."]),
    "boxes_of": (["Detect these objects in the image: {it}." + _DETECT_TAIL, "Detect the {it} as JSON.", "Find the {it} and give its box.",
                  "Give the bounding box of the {it} as JSON.", "Return the box of the {it}.", "Detect the {it}.", "detect {it}",
                  "Where is the {it}? Answer with a box as JSON.", "Output the bounding box of the {it}.", "Find the box of the {it} in this image.",
                  "Give box_2d and label of the {it}."],
                 ["Find the bounding box of the {it}.", "Return JSON with the box of the {it}.", "Please detect the {it} in this picture."]),
    "read": (["Read the text.", "What does it say?", "What is written here?", "Transcribe the text in this image.", "Read the line.",
              "What text is in the picture?", "Write down the text.", "What is printed here?", "Read the image.", "Which text do you see?",
              "Copy the text.", "OCR"],
             ["Read what is written here.", "What does the image say?", "Please transcribe the text."]),
    "invoice": (["Give title, number and total as JSON.", "Read this page as JSON with title, number and total.", "Extract title, number and total as JSON.",
                 "Return title, number and total of this document as JSON.", "What are title, number and total? Answer as JSON.",
                 "Write the title, the number and the total as JSON.", "Read the invoice: title, number, total, as JSON.",
                 "Put title, number and total into JSON.", "Find the title, the number and the total; answer with JSON.",
                 "Extract the fields title, number, total."],
                ["Read title, number and total and answer as JSON.", "Give the fields title, number and total of this page.",
                 "Please extract title, number and total as JSON."]),
    "hear": (["What is said?", "Write down what is said.", "Transcribe the audio.", "What do you hear?", "Transcribe this sound.",
              "Which words are spoken?", "Transcribe the speech.", "Write the words that you hear.", "What does the voice say?",
              "Say what you hear.", "Describe this audio.", "Write down the words."],
             ["What words do you hear?", "Transcribe what is said.", "Please write down the speech."]),
    "hear_digits": ([_TRANSCRIBE], [_TRANSCRIBE]),
    "translate": ([_TRANSLATE, "Transcribe, then translate into {language}.", "Write what is said, then the {language} translation.",
                   "Transcribe the audio and translate it into {language}.", "Translate the speech into {language}; first write it in English.",
                   "What is said, and what is it in {language}?", "First the English words, then {language}.",
                   "Transcribe in English, then translate it into {language}.", "Write the words in English and in {language}.",
                   "Give the transcription and its {language} translation."],
                  ["Transcribe this, then give it in {language}.", "Write down the words and translate them into {language}.",
                   "Please transcribe and translate into {language}."]),
}

SYSTEMS = ["You are a helpful assistant.", "Answer in one word if you can.", "Be brief.", "You see pictures and hear sounds.",
           "Answer shortly.", "You are tessera-nano."]
